-- Two items may hold a number for a moment, while a rename is on its way: the one told last.
SELECT number, system_id, released, version, recorded_at, item
FROM items
WHERE erp = $1 AND number = $2
ORDER BY recorded_at DESC
LIMIT 1
