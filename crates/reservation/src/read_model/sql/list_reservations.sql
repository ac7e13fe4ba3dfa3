SELECT position, view FROM reservations
WHERE (CAST($1 AS TEXT) = '' OR channel = $1) AND position > $2 AND (CAST($3 AS TEXT) = '' OR store = $3) AND (CAST($4 AS BIGINT) = 0 OR state = $4)
ORDER BY position
LIMIT $5
