UPDATE bus_held SET status = 'dropped', note = $2, payload = NULL, last_attempt_at = $3
WHERE id = $1 AND status <> 'dropped'
