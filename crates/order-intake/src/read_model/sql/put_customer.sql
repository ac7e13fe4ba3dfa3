INSERT INTO known_customers (key, erp, number, channel, shop_customer_number, blocked) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (key) DO UPDATE SET
    erp = excluded.erp, number = excluded.number, channel = excluded.channel,
    shop_customer_number = excluded.shop_customer_number, blocked = excluded.blocked
