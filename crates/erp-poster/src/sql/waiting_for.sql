SELECT {rows}.stream, {rows}.channel
FROM {waits} JOIN {rows} ON {rows}.stream = {waits}.stream
WHERE {waits}.subject IN ($places)
