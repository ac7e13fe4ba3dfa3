INSERT INTO {work} (stream, channel, asked, due_at, claimed_by, claimed_until, attempts, trouble)
SELECT stream, channel, 1, CAST($2 AS BIGINT), '', 0, 0, '' FROM {rows} WHERE state = $1
ON CONFLICT (stream) DO UPDATE SET
    asked = {work}.asked + 1,
    due_at = CASE WHEN excluded.due_at < {work}.due_at THEN excluded.due_at ELSE {work}.due_at END
