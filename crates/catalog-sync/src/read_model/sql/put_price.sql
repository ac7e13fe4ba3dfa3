INSERT INTO prices (erp, item_system_id, variant_code, price_group, unit, price)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (erp, item_system_id, variant_code, price_group, unit) DO UPDATE SET price = excluded.price
