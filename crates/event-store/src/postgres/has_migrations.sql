SELECT tablename::text
FROM pg_catalog.pg_tables
WHERE schemaname = $1 AND tablename = 'applied_migrations'
