UPDATE bus_held SET status = 'ready', next_attempt_at = 0
WHERE id = (
    SELECT id FROM bus_held
    WHERE consumer = $1 AND topic = $2 AND record_key = $3 AND status <> 'dropped'
    ORDER BY id
    LIMIT 1
) AND status = 'waiting'
