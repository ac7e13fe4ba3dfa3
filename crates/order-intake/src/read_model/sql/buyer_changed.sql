SELECT count(*) FROM known_customers
WHERE changed_at > $1
    AND ((erp = $2 AND number = $3) OR (CAST($5 AS TEXT) <> '' AND channel = $4 AND shop_customer_number = $5))
