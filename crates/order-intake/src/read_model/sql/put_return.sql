INSERT INTO order_returns (stream, order_stream, position, shown) VALUES ($1, $2, $3, $4)
ON CONFLICT (stream) DO UPDATE SET order_stream = excluded.order_stream, shown = excluded.shown
