INSERT INTO consumers (name, token, acknowledged_at)
VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET token = excluded.token, acknowledged_at = excluded.acknowledged_at
