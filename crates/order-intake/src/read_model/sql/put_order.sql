INSERT INTO orders (stream, channel, state, position, version, view) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (stream) DO UPDATE SET state = excluded.state, version = excluded.version, view = excluded.view
