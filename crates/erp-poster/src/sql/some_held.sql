SELECT stream, channel FROM {rows}
WHERE state = $1 AND stream > $2
ORDER BY stream
LIMIT $3
