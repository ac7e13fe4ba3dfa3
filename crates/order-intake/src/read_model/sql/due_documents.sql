SELECT stream, asked, attempts FROM document_work
WHERE due_at <= $1
ORDER BY due_at, stream
LIMIT $2
