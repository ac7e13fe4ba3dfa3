SELECT key, first, last, versions FROM answers WHERE key IN (SELECT value FROM json_each($1))
