SELECT key, first, last, versions FROM answers WHERE key = ANY($1::text[])
