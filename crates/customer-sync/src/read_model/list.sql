SELECT payload
FROM customers
WHERE erp = $1 AND shop_channel IN ('', $2) AND number > $3
ORDER BY number
LIMIT $4
