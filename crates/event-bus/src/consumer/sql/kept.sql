SELECT topic, record_key, waits_for
FROM bus_held
WHERE consumer = $1 AND status <> 'dropped'
LIMIT $2
