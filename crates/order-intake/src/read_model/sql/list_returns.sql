SELECT shown FROM order_returns
WHERE order_stream = $1 AND is_strangers = 0
ORDER BY position, stream
