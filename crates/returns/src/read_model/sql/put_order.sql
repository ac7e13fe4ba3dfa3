INSERT INTO known_orders (stream, original) VALUES ($1, $2)
ON CONFLICT (stream) DO UPDATE SET original = excluded.original
