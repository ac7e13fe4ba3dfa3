SELECT position, view FROM orders
WHERE channel = $1 AND position < $2 AND (CAST($3 AS BIGINT) = 0 OR state = $3)
ORDER BY position DESC
LIMIT $4
