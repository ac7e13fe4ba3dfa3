INSERT INTO known (key, item, kind, payload, deleted, epoch, position, shown)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (key) DO UPDATE SET
    item = excluded.item,
    kind = excluded.kind,
    payload = excluded.payload,
    deleted = excluded.deleted,
    epoch = excluded.epoch,
    position = excluded.position,
    shown = excluded.shown
