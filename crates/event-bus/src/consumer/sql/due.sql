SELECT id, topic, partition_number, source, record_offset, record_key, attempts, reason, waits_for, headers, payload
FROM bus_held
WHERE consumer = $1 AND status IN ('ready', 'unresolved') AND next_attempt_at <= $2 AND id > $3
ORDER BY id
LIMIT $4
