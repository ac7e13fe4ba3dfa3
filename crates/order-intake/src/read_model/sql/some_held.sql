SELECT stream, channel FROM orders
WHERE state = $1 AND stream > $2
ORDER BY stream
LIMIT $3
