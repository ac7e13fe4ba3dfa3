DELETE FROM erp_unreadable
WHERE erp = $1 AND flow = $2 AND system_id = $3
