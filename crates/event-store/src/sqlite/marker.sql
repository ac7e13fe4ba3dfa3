INSERT INTO events (position, version, occurred_at, recorded_at, id, correlation_id, deleted, stream, kind, actor, payload)
VALUES ($1, $2, $3, $3, $4, $4, false, $5, $6, $7, x'')
