INSERT INTO events (
    position, version, occurred_at, recorded_at, id, correlation_id, causation_id, deleted,
    stream, kind, key, erp, channel, traceparent, actor, payload
)
