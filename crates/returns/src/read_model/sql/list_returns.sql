SELECT position, view FROM returns
WHERE channel = $1 AND position < $2 AND (CAST($3 AS BIGINT) = 0 OR state = $3) AND (CAST($4 AS TEXT) = '' OR order_number = $4)
ORDER BY position DESC
LIMIT $5
