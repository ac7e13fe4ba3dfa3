SELECT stream FROM reservations
WHERE store = $1 AND ((state IN ($2, $3) AND due < $4) OR (state = $3 AND reminded = 0 AND due <= $5))
ORDER BY due, stream
LIMIT $6
