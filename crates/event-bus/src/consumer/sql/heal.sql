UPDATE bus_held SET status = 'ready', next_attempt_at = 0
WHERE consumer = $1 AND waits_for = $2 AND status = 'unresolved'
