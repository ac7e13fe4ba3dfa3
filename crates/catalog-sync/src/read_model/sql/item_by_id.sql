SELECT number, system_id, released, version, recorded_at, item
FROM items
WHERE erp = $1 AND system_id = $2
