CREATE TABLE customers (
    erp TEXT NOT NULL,
    system_id TEXT NOT NULL,
    number TEXT COLLATE "C" NOT NULL,
    -- Empty: no shop created it.
    shop_channel TEXT NOT NULL,
    shop_number TEXT NOT NULL,
    -- millrace.customers.v1.Customer, personal data sealed.
    payload BYTEA NOT NULL,
    PRIMARY KEY (erp, system_id)
);
CREATE INDEX customers_by_number ON customers (erp, number);
CREATE INDEX customers_by_shop_number ON customers (erp, shop_channel, shop_number);
