INSERT INTO shelves (stream, shelf) VALUES ($1, $2)
ON CONFLICT (stream) DO UPDATE SET shelf = excluded.shelf
