INSERT INTO known_customers (key, erp, number, channel, shop_customer_number, blocked, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (key) DO UPDATE SET
    erp = excluded.erp, number = excluded.number, channel = excluded.channel,
    shop_customer_number = excluded.shop_customer_number, blocked = excluded.blocked, changed_at = excluded.changed_at
