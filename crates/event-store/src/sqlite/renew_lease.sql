UPDATE leases
SET expires_at = $3
WHERE name = $1 AND holder = $2 AND expires_at IS NOT NULL
RETURNING epoch, marker
