-- Reservations that ask something of the ERP.
CREATE TABLE erp_work (
    stream TEXT PRIMARY KEY,
    -- Rises whenever it is asked for anew.
    asked BIGINT NOT NULL DEFAULT 1,
    -- Microseconds since 1970.
    due_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX erp_work_by_day ON erp_work (due_at, stream);
CREATE INDEX reservations_by_document ON reservations (channel, store, document_number);
