SELECT key, item, kind, payload, deleted, epoch, position, shown
FROM known
WHERE item = $1 AND key <> $1
ORDER BY key
