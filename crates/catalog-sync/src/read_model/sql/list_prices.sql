-- Prices of released items. $2: only this item number, or empty. $3 to $7: where the page before ended. {groups}: one
-- parameter per price group of the channel, beginning with $9.
SELECT i.number, i.system_id, p.variant_code, p.price_group, p.unit, p.price
FROM items i
JOIN prices p ON p.erp = i.erp AND p.item_system_id = i.system_id
WHERE i.erp = $1
    AND i.released = 1
    AND ($2 = '' OR i.number = $2)
    AND i.number >= $3
    AND (i.number, i.system_id, p.variant_code, p.price_group, p.unit) > ($3, $4, $5, $6, $7)
    AND p.price_group IN ({groups})
ORDER BY i.number, i.system_id, p.variant_code, p.price_group, p.unit
LIMIT $8
