INSERT INTO reservations (stream, channel, store, state, position, customer, document_number, collect_by, reminded, view)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (stream) DO UPDATE SET
    state = excluded.state,
    document_number = excluded.document_number,
    collect_by = excluded.collect_by,
    reminded = excluded.reminded,
    view = excluded.view
