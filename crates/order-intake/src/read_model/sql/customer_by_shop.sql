SELECT number, channel, shop_customer_number, blocked FROM known_customers
WHERE channel = $1 AND shop_customer_number = $2
