INSERT INTO customers (erp, system_id, number, shop_channel, shop_number, payload)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (erp, system_id) DO UPDATE SET
    number = excluded.number,
    shop_channel = excluded.shop_channel,
    shop_number = excluded.shop_number,
    payload = excluded.payload
