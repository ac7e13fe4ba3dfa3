SELECT
    last.position, last.version, last.occurred_at, last.recorded_at, last.id, last.correlation_id, last.causation_id, last.deleted,
    last.stream, last.kind, last.key, last.erp, last.channel, last.traceparent, last.actor, last.payload
FROM unnest($1::text[]) AS asked (stream)
CROSS JOIN LATERAL (
    SELECT * FROM events WHERE events.stream = asked.stream ORDER BY version DESC LIMIT 1
) AS last
