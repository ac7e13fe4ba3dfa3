INSERT INTO bus_held (consumer, topic, partition_number, source, record_offset, record_key, kind, status, reason, waits_for, note,
                      attempts, held_at, last_attempt_at, next_attempt_at, headers, payload, epoch)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '', $11, $12, $12, $13, $14, $15, $16)
ON CONFLICT (consumer, topic, partition_number, source, epoch, record_offset)
DO UPDATE SET record_key = excluded.record_key, kind = excluded.kind, status = excluded.status, reason = excluded.reason,
              waits_for = excluded.waits_for, attempts = excluded.attempts, held_at = excluded.held_at,
              last_attempt_at = excluded.last_attempt_at, next_attempt_at = excluded.next_attempt_at,
              headers = excluded.headers, payload = excluded.payload
-- Nothing waits behind itself: a record that is read again stays as it is kept.
WHERE bus_held.status = 'dropped' OR excluded.status <> 'waiting'
