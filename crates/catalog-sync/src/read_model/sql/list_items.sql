-- $2: 1 shows also what is not released. $3 and $4: where the page before ended.
SELECT number, system_id, released, version, recorded_at, item
FROM items
WHERE erp = $1 AND (released = 1 OR $2 = 1) AND (number, system_id) > ($3, $4)
ORDER BY number, system_id
LIMIT $5
