INSERT INTO reservations (stream, channel, store, state, position, customer, document_number, due, reminded, in_erp, short, view)
VALUES {rows}
ON CONFLICT (stream) DO UPDATE SET
    state = excluded.state,
    document_number = excluded.document_number,
    due = excluded.due,
    reminded = excluded.reminded,
    in_erp = excluded.in_erp,
    short = excluded.short,
    view = excluded.view
