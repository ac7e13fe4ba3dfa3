-- Records the ERP sent that cannot be read. They are shown, and forgotten when a readable one comes.
CREATE TABLE erp_unreadable (
    id            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    erp           TEXT   NOT NULL,
    -- What was being read: items, prices, stock, customers, documents.
    flow          TEXT   NOT NULL,
    -- As the adapter calls it.
    entity        TEXT   NOT NULL,
    -- Empty where not even that could be read.
    system_id     TEXT   NOT NULL,
    -- No personal data.
    reason        TEXT   NOT NULL,
    times_seen    BIGINT NOT NULL,
    first_seen_at BIGINT NOT NULL,
    last_seen_at  BIGINT NOT NULL,
    UNIQUE (erp, flow, entity, system_id)
);
