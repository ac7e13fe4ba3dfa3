UPDATE leases
SET expires_at = clock_timestamp() + make_interval(secs => $3)
WHERE name = $1 AND holder = $2 AND expires_at IS NOT NULL
RETURNING epoch, marker
