INSERT INTO items (erp, item, number, unit)
VALUES ($1, $2, $3, $4)
ON CONFLICT (erp, item) DO UPDATE SET number = excluded.number, unit = excluded.unit
