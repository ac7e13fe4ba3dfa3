SELECT number, channel, shop_customer_number, blocked FROM known_customers
WHERE erp = $1 AND number = $2
