-- What the ERP said last, one row per item. Times are microseconds since 1970, quantities hundred-thousandths of a unit.
CREATE TABLE erp_figures (
    erp TEXT NOT NULL,
    item TEXT NOT NULL,
    number TEXT NOT NULL,
    unit TEXT NOT NULL,
    as_of BIGINT NOT NULL,
    -- Absent where the ERP has no row versions.
    boundary BIGINT,
    -- 1: the figures know sales orders.
    sales_orders BIGINT NOT NULL,
    -- The full read that showed it last.
    generation BIGINT NOT NULL,
    -- Parts per variant and location, see src/read_model/figures.rs.
    figures BYTEA NOT NULL,
    PRIMARY KEY (erp, item)
);
CREATE INDEX erp_figures_by_number ON erp_figures (erp, number);
CREATE INDEX erp_figures_generation ON erp_figures (erp, generation);

-- Numbers and base units, from the topic `items`.
CREATE TABLE items (
    erp TEXT NOT NULL,
    item TEXT NOT NULL,
    number TEXT NOT NULL,
    unit TEXT NOT NULL,
    PRIMARY KEY (erp, item)
);
CREATE INDEX items_by_number ON items (erp, number);

-- Lines of shop orders that the figures do not contain yet.
CREATE TABLE in_flight (
    channel TEXT NOT NULL,
    order_number TEXT NOT NULL,
    line BIGINT NOT NULL,
    erp TEXT NOT NULL,
    item_number TEXT NOT NULL,
    -- Empty while the number is not known.
    item TEXT NOT NULL,
    variant TEXT NOT NULL,
    -- Empty: nobody said.
    location TEXT NOT NULL,
    ordered BIGINT NOT NULL,
    cancelled BIGINT NOT NULL,
    shipped BIGINT NOT NULL,
    shipped_before BIGINT NOT NULL,
    shipped_at BIGINT,
    placed_at BIGINT NOT NULL,
    row_version BIGINT,
    document_at BIGINT,
    PRIMARY KEY (channel, order_number, line)
);
CREATE INDEX in_flight_by_item ON in_flight (erp, item);
CREATE INDEX in_flight_by_number ON in_flight (erp, item_number);

-- What is to be published: figures or orders of these changed since. Only ever inserted and deleted, so that nobody who
-- marks waits for another.
CREATE TABLE marks (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    erp TEXT NOT NULL,
    item TEXT NOT NULL,
    variant TEXT NOT NULL,
    correlation TEXT NOT NULL,
    causation TEXT,
    traceparent TEXT
);

-- When everything the ERP had was known.
CREATE TABLE freshness (
    erp TEXT NOT NULL PRIMARY KEY,
    read_at BIGINT NOT NULL
);
