SELECT consumer, status, COUNT(*)
FROM bus_held
WHERE status <> 'dropped'
GROUP BY consumer, status
ORDER BY consumer, status
