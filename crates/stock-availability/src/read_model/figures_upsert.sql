ON CONFLICT (erp, item) DO UPDATE SET
    number = excluded.number,
    unit = excluded.unit,
    as_of = excluded.as_of,
    boundary = excluded.boundary,
    sales_orders = excluded.sales_orders,
    generation = excluded.generation,
    figures = excluded.figures
