SELECT held.id, held.consumer, held.topic, held.partition_number, held.record_offset, held.record_key, held.kind, held.status,
       held.reason, held.waits_for, held.attempts, held.held_at, held.last_attempt_at,
       (SELECT COUNT(*) FROM bus_held AS behind
        WHERE behind.consumer = held.consumer AND behind.topic = held.topic AND behind.record_key = held.record_key
          AND behind.status = 'waiting' AND behind.id > held.id) AS waiting_behind
FROM bus_held AS held
WHERE held.id > $1 AND held.status <> 'dropped'
ORDER BY held.id
LIMIT $2
