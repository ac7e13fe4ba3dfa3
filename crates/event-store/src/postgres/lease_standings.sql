SELECT name, CAST(coalesce(extract(epoch FROM clock_timestamp() - expires_at) * 1000000, 0) AS BIGINT)
FROM leases
ORDER BY name
