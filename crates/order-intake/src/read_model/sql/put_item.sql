INSERT INTO known_items (key, erp, number, item, changed_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (key) DO UPDATE SET
    erp = excluded.erp, number = excluded.number, item = excluded.item, changed_at = excluded.changed_at
