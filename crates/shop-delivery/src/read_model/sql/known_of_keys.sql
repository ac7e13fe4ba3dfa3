SELECT key, item, kind, payload, deleted, epoch, position, shown
FROM known
WHERE key IN ({keys})
