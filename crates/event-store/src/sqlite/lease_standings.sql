SELECT name, CAST(coalesce($1 - expires_at, 0) AS BIGINT)
FROM leases
ORDER BY name
