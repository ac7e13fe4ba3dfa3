INSERT INTO items (erp, system_id, number, released, version, recorded_at, item)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (erp, system_id) DO UPDATE SET
    number = excluded.number,
    released = excluded.released,
    version = excluded.version,
    recorded_at = excluded.recorded_at,
    item = excluded.item
