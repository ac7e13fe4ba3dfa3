INSERT INTO events (
    position, version, occurred_at, recorded_at, id, correlation_id, causation_id, deleted,
    stream, kind, key, erp, channel, traceparent, actor, payload
)
SELECT * FROM unnest(
    $1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::uuid[], $6::uuid[], $7::uuid[], $8::boolean[],
    $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::bytea[]
)
