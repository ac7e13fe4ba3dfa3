SELECT orders.stream, orders.channel
FROM order_waits JOIN orders ON orders.stream = order_waits.stream
WHERE order_waits.subject IN ($places)
