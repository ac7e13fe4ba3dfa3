INSERT INTO {work} (stream, channel, asked, due_at, claimed_by, claimed_until, attempts, trouble)
VALUES ($1, $3, 1, $2, '', 0, 0, '')
ON CONFLICT (stream) DO UPDATE SET
    asked = {work}.asked + 1,
    due_at = CASE WHEN excluded.due_at < {work}.due_at THEN excluded.due_at ELSE {work}.due_at END
