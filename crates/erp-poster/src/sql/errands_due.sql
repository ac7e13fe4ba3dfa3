SELECT stream, asked, attempts FROM {table}
WHERE due_at <= $1
ORDER BY due_at, stream
LIMIT $2
