SELECT DISTINCT item, variant
FROM in_flight
WHERE
    erp = $1 AND item <> '' AND (shipped_at <= $2 OR document_at <= $2 OR returned_at <= $2)
    AND (CAST($3 AS TEXT) = '' OR substr(order_number, 1, 1) = $3)
