INSERT INTO known (key, item, kind, payload, deleted, epoch, position, shown)
VALUES {rows}
ON CONFLICT (key) DO UPDATE SET
    item = excluded.item,
    kind = excluded.kind,
    payload = excluded.payload,
    deleted = excluded.deleted,
    epoch = excluded.epoch,
    position = excluded.position,
    shown = excluded.shown
