-- When an item or customer was last told of, in microseconds since 1970; 0: before this column was there.
ALTER TABLE known_items ADD COLUMN changed_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE known_customers ADD COLUMN changed_at BIGINT NOT NULL DEFAULT 0;

-- Items and customers that were told of, one row for each transaction that did. Whoever waits for them is asked for after that
-- transaction: within it, an order that is being held at the same moment would not be seen.
CREATE TABLE arrivals (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Subjects as in order_waits, one a line.
    subjects TEXT NOT NULL
);
