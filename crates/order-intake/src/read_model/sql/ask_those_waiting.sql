INSERT INTO order_work (stream, channel, asked, due_at, claimed_by, claimed_until, attempts, trouble, arrived)
SELECT orders.stream, orders.channel, 1, CAST($2 AS BIGINT), '', 0, 0, '', 1
FROM order_waits JOIN orders ON orders.stream = order_waits.stream
WHERE order_waits.subject = $1
ON CONFLICT (stream) DO UPDATE SET asked = order_work.asked + 1, due_at = excluded.due_at, arrived = 1
