SELECT id, position, version FROM events WHERE id = ANY($1::uuid[])
