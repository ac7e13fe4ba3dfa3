-- A key belongs to one stream, so what came later of it is found by the stream's versions, row by row: a join would look at the
-- whole log for every page.
SELECT
    position, version, occurred_at, recorded_at, id, correlation_id, causation_id, deleted,
    stream, kind, key, erp, channel, traceparent, actor, payload
FROM events
WHERE shard = 0
    AND position > $2
    AND position <= $3
    AND kind = ANY($1::text[])
    AND NOT deleted
    AND (
        SELECT later.position
        FROM events AS later
        WHERE later.stream = events.stream
            AND later.version > events.version
            AND later.position <= $3
            AND later.key IS NOT DISTINCT FROM events.key
            AND later.kind = ANY($1::text[])
        ORDER BY later.version
        LIMIT 1
    ) IS NULL
ORDER BY position
LIMIT $4
