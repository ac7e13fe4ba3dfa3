SELECT stream, asked, attempts, trouble
FROM (
    SELECT stream, asked, attempts, trouble, due_at, ROW_NUMBER() OVER (PARTITION BY channel ORDER BY due_at, stream) AS turn
    FROM {work}
    WHERE due_at <= $1 AND claimed_until <= $1
) AS due
ORDER BY turn, due_at, stream
LIMIT $2
