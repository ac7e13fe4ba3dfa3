SELECT asked.stream, head.version
FROM unnest($1::text[]) AS asked (stream)
CROSS JOIN LATERAL (
    SELECT version FROM events WHERE events.stream = asked.stream ORDER BY version DESC LIMIT 1
) AS head
