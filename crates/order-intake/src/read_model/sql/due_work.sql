SELECT stream, asked, attempts FROM order_work
WHERE due_at <= $1 AND claimed_until <= $1
ORDER BY due_at, stream
LIMIT $2
