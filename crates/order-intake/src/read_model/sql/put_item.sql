INSERT INTO known_items (key, erp, number, item) VALUES ($1, $2, $3, $4)
ON CONFLICT (key) DO UPDATE SET erp = excluded.erp, number = excluded.number, item = excluded.item
