channel, order_number, line, item_number, item, variant, location, ordered, cancelled, shipped, shipped_before, shipped_at, placed_at, row_version, document_at, returned_version, returned_at
