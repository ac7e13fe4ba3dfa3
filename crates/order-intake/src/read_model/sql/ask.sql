INSERT INTO order_work (stream, channel, asked, due_at, claimed_by, claimed_until, attempts, trouble)
VALUES ($1, $3, 1, $2, '', 0, 0, '')
ON CONFLICT (stream) DO UPDATE SET
    asked = order_work.asked + 1,
    due_at = CASE WHEN excluded.due_at < order_work.due_at THEN excluded.due_at ELSE order_work.due_at END
