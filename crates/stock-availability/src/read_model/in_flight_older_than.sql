SELECT DISTINCT item, variant
FROM in_flight
WHERE
    erp = $1 AND item <> '' AND (
        returned_at <= $2
        OR (shipped_at <= $2 AND (document_at IS NULL OR CAST($3 AS TEXT) = ''))
        OR (document_at <= $2 AND CAST($3 AS TEXT) = '')
    )
    AND (CAST($3 AS TEXT) = '' OR substr(order_number, 1, 1) = $3)
