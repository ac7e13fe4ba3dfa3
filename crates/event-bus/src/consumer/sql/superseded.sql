DELETE FROM bus_held
WHERE consumer = $1 AND topic = $2 AND record_key = $3 AND status <> 'dropped'
RETURNING status
