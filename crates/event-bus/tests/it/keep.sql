INSERT INTO bus_held (consumer, topic, partition_number, source, record_offset, record_key, kind, status, reason, waits_for, note,
                      attempts, held_at, last_attempt_at, next_attempt_at, headers, payload)
VALUES ('reader', 'webshop-orders', 0, '', $1, 'o', '', $2, 'why', '', '', 1, 0, 0, 0, '{}', NULL)
