SELECT 1 FROM leases WHERE name = $1 AND expires_at > clock_timestamp()
