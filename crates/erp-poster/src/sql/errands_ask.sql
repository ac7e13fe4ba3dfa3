INSERT INTO {table} (stream, asked, due_at) VALUES {rows}
ON CONFLICT (stream) DO UPDATE SET asked = excluded.asked, due_at = excluded.due_at
