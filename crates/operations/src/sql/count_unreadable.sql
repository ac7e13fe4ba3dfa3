SELECT erp, flow, COUNT(*)
FROM erp_unreadable
GROUP BY erp, flow
ORDER BY erp, flow
