SELECT
    position, version, occurred_at, recorded_at, id, correlation_id, causation_id, deleted,
    stream, kind, key, erp, channel, traceparent, actor, payload
FROM events
WHERE stream = $1 AND version > $2
ORDER BY version
LIMIT $3
