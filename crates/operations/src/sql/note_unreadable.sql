INSERT INTO erp_unreadable (erp, flow, entity, system_id, reason, times_seen, first_seen_at, last_seen_at)
VALUES ($1, $2, $3, $4, $5, 1, $6, $6)
ON CONFLICT (erp, flow, entity, system_id)
DO UPDATE SET reason = excluded.reason, times_seen = erp_unreadable.times_seen + 1, last_seen_at = excluded.last_seen_at
