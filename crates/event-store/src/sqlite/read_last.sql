SELECT
    events.position, events.version, events.occurred_at, events.recorded_at, events.id, events.correlation_id, events.causation_id,
    events.deleted, events.stream, events.kind, events.key, events.erp, events.channel, events.traceparent, events.actor, events.payload
FROM json_each($1) AS asked
JOIN events ON events.stream = asked.value
    AND events.version = (SELECT max(last.version) FROM events AS last WHERE last.stream = asked.value)
