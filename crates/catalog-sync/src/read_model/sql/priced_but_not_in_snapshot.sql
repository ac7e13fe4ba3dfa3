SELECT DISTINCT p.item_system_id
FROM prices p
WHERE p.erp = $1
    AND NOT EXISTS (SELECT 1 FROM priced_in_snapshot s WHERE s.erp = p.erp AND s.system_id = p.item_system_id)
