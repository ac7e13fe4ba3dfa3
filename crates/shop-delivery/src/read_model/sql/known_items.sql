SELECT key, item, kind, payload, deleted, epoch, position, shown
FROM known
WHERE key = item AND key > $1
ORDER BY key
LIMIT $2
