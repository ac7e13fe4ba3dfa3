SELECT stream FROM reservations
WHERE state = $1 AND store = $2 AND (collect_by < $3 OR (reminded = 0 AND collect_by <= $4))
ORDER BY collect_by, stream
LIMIT $5
