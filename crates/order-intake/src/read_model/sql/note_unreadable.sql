INSERT INTO unreadable_documents (id, erp, reason, seen_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE SET reason = excluded.reason, seen_at = excluded.seen_at
