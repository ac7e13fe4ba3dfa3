SELECT epoch, coalesce(expires_at > clock_timestamp(), false) AS held FROM leases WHERE name = $1 FOR UPDATE
