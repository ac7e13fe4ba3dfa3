SELECT entity, system_id, reason
FROM erp_unreadable
WHERE erp = $1 AND flow = $2
