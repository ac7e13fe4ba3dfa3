INSERT INTO order_returns (stream, order_stream, position, shown, is_strangers) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (stream) DO UPDATE
SET order_stream = excluded.order_stream, shown = excluded.shown, is_strangers = excluded.is_strangers
