SELECT name, epoch FROM leases WHERE name IN (SELECT value FROM json_each($1))
