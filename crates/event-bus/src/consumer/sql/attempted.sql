UPDATE bus_held
SET status = $2, reason = $3, waits_for = $4, attempts = attempts + 1, last_attempt_at = $5, next_attempt_at = $6
WHERE id = $1
