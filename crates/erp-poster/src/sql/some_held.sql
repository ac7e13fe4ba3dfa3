SELECT stream, channel FROM {rows}
WHERE state IN ({held}) AND stream > $1
ORDER BY stream
LIMIT $2
