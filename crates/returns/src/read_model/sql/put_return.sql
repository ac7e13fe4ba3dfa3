INSERT INTO returns (stream, channel, order_number, state, position, view) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (stream) DO UPDATE SET order_number = excluded.order_number, state = excluded.state, view = excluded.view
