INSERT INTO document_work (stream, asked, due_at)
SELECT stream, CAST($1 AS TEXT), CAST($2 AS BIGINT) FROM orders WHERE state IN ($3, $4)
ON CONFLICT (stream) DO UPDATE SET asked = excluded.asked, due_at = excluded.due_at
