-- A key belongs to one stream, so what came later of it is found by the stream's versions, row by row: a join would look at the
-- whole log for every page.
SELECT
    position, version, occurred_at, recorded_at, id, correlation_id, causation_id, deleted,
    stream, kind, key, erp, channel, traceparent, actor, payload
FROM events
WHERE position > $2
    AND position <= $3
    AND kind IN (SELECT value FROM json_each($1))
    AND NOT deleted
    AND (
        SELECT later.position
        FROM events AS later
        WHERE later.stream = events.stream
            AND later.version > events.version
            AND later.position <= $3
            AND later.key IS events.key
            AND later.kind IN (SELECT value FROM json_each($1))
        ORDER BY later.version
        LIMIT 1
    ) IS NULL
ORDER BY position
LIMIT $4
