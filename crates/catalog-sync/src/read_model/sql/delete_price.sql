DELETE FROM prices
WHERE erp = $1 AND item_system_id = $2 AND variant_code = $3 AND price_group = $4 AND unit = $5
