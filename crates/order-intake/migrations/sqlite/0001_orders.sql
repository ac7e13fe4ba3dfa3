-- Orders as they are shown; made of the log, may be dropped and made again.
CREATE TABLE orders (
    stream TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    -- Number of order.v1.OrderState.
    state BIGINT NOT NULL,
    -- Where its acceptance stands in the log: the order of pages.
    position BIGINT NOT NULL,
    version BIGINT NOT NULL,
    -- order.v1.OrderView, without personal data.
    view BLOB NOT NULL
);
CREATE INDEX orders_by_channel ON orders (channel, position);
CREATE INDEX orders_by_state ON orders (state, position);

-- What held orders wait for: item/<erp>/<number>, customer/<erp>/<number>, shop-customer/<channel>/<number>.
CREATE TABLE order_waits (
    subject TEXT NOT NULL,
    stream TEXT NOT NULL,
    PRIMARY KEY (subject, stream)
);
CREATE INDEX order_waits_by_stream ON order_waits (stream);

-- Orders somebody has to look at: check again, post, confirm. One look at a time, by claim.
CREATE TABLE order_work (
    stream TEXT PRIMARY KEY,
    -- Rises with every reason to look, so that a look that began earlier does not settle a later reason.
    asked BIGINT NOT NULL,
    -- Microseconds since 1970, as all times here.
    due_at BIGINT NOT NULL,
    claimed_by TEXT NOT NULL,
    claimed_until BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    -- Why the last attempt came to nothing; never personal.
    trouble TEXT NOT NULL
);
CREATE INDEX order_work_by_due ON order_work (due_at);

-- Items and customers as their owners tell, as far as the checks need them.
CREATE TABLE known_items (
    key TEXT PRIMARY KEY,
    erp TEXT NOT NULL,
    number TEXT NOT NULL,
    -- items.v1.Item
    item BLOB NOT NULL
);
CREATE INDEX known_items_by_number ON known_items (erp, number);

CREATE TABLE known_customers (
    key TEXT PRIMARY KEY,
    erp TEXT NOT NULL,
    number TEXT NOT NULL,
    channel TEXT NOT NULL,
    shop_customer_number TEXT NOT NULL,
    blocked BIGINT NOT NULL
);
CREATE INDEX known_customers_by_number ON known_customers (erp, number);
CREATE INDEX known_customers_by_shop ON known_customers (channel, shop_customer_number);

-- Documents of the ERP that could not be read.
CREATE TABLE unreadable_documents (
    id TEXT PRIMARY KEY,
    erp TEXT NOT NULL,
    reason TEXT NOT NULL,
    seen_at BIGINT NOT NULL
);
