INSERT INTO reservations (stream, channel, store, state, position, customer, document_number, collect_by, reminded, view)
VALUES {rows}
ON CONFLICT (stream) DO UPDATE SET
    state = excluded.state,
    document_number = excluded.document_number,
    collect_by = excluded.collect_by,
    reminded = excluded.reminded,
    view = excluded.view
