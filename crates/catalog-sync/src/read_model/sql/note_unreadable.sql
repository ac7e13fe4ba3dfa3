INSERT INTO unreadable_records (erp, entity, system_id, reason, seen_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (erp, entity, system_id) DO UPDATE SET reason = excluded.reason, seen_at = excluded.seen_at
