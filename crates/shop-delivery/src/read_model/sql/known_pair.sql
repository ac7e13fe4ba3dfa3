SELECT key, item, kind, payload, deleted, epoch, position, shown
FROM known
WHERE key = $1 OR key = $2
