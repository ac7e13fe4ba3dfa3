INSERT INTO leases (name, holder, epoch, marker, expires_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder, epoch = excluded.epoch, marker = excluded.marker, expires_at = excluded.expires_at
