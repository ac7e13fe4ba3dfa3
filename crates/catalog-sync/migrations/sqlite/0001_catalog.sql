-- Items and prices as they stand in the log.
CREATE TABLE items (
    erp TEXT NOT NULL,
    system_id TEXT NOT NULL,
    number TEXT NOT NULL,
    released BIGINT NOT NULL,
    version BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    -- millrace.items.v1.Item
    item BLOB NOT NULL,
    PRIMARY KEY (erp, system_id)
);
CREATE INDEX items_by_number ON items (erp, number, system_id);

CREATE TABLE prices (
    erp TEXT NOT NULL,
    item_system_id TEXT NOT NULL,
    variant_code TEXT NOT NULL,
    price_group TEXT NOT NULL,
    unit TEXT NOT NULL,
    -- millrace.prices.v1.Price
    price BLOB NOT NULL,
    PRIMARY KEY (erp, item_system_id, variant_code, price_group, unit)
);

-- Items whose prices a full read has shown so far; the others have none any more when it ends.
CREATE TABLE priced_in_snapshot (
    erp TEXT NOT NULL,
    system_id TEXT NOT NULL,
    PRIMARY KEY (erp, system_id)
);

-- Records the ERP sent that cannot be read. They are shown, and forgotten when a readable one comes.
CREATE TABLE unreadable_records (
    erp TEXT NOT NULL,
    entity TEXT NOT NULL,
    -- Empty where not even that could be read.
    system_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (erp, entity, system_id)
);
