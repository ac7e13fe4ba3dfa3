SELECT position, view FROM returns
WHERE state = $1 AND position > $2 AND (CAST($3 AS TEXT) = '' OR channel = $3)
ORDER BY position
LIMIT $4
