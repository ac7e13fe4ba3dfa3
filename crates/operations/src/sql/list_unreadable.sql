SELECT id, erp, flow, entity, system_id, reason, times_seen, first_seen_at, last_seen_at
FROM erp_unreadable
WHERE id > $1
ORDER BY id
LIMIT $2
