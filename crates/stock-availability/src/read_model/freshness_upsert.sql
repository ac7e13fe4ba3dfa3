INSERT INTO freshness (erp, read_at)
VALUES ($1, $2)
ON CONFLICT (erp) DO UPDATE SET read_at = CASE WHEN excluded.read_at > freshness.read_at THEN excluded.read_at ELSE freshness.read_at END
