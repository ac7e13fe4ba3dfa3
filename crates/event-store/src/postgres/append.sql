WITH head AS (
    UPDATE log_head
    SET position = position + $1
    WHERE shard = 0 AND epoch = $2 AND ($3::bigint IS NULL OR fence = $3)
    RETURNING position - $1 AS base
), written AS (
    INSERT INTO events (
        position, version, occurred_at, recorded_at, id, correlation_id, causation_id, deleted,
        stream, kind, key, erp, channel, traceparent, actor, payload
    )
    SELECT
        head.base + row.number, row.version, row.occurred_at, $4, row.id, row.correlation_id, row.causation_id, row.deleted,
        row.stream, row.kind, row.key, row.erp, row.channel, row.traceparent, row.actor, row.payload
    FROM head, unnest(
        $5::bigint[], $6::bigint[], $7::uuid[], $8::uuid[], $9::uuid[], $10::boolean[],
        $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::bytea[]
    ) WITH ORDINALITY AS row (
        version, occurred_at, id, correlation_id, causation_id, deleted,
        stream, kind, key, erp, channel, traceparent, actor, payload, number
    )
)
SELECT base FROM head
