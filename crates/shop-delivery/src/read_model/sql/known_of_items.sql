SELECT key, item, kind, payload, deleted, epoch, position, shown
FROM known
WHERE item IN ({keys}) AND key <> item
