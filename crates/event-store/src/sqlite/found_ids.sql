SELECT id, position, version FROM events WHERE id IN (SELECT unhex(value) FROM json_each($1))
