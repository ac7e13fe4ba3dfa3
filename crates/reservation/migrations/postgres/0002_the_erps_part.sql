-- Reservations that ask something of the ERP.
CREATE TABLE erp_work (
    stream TEXT PRIMARY KEY,
    -- Another one whenever it is asked for anew.
    asked TEXT NOT NULL,
    -- Microseconds since 1970.
    due_at BIGINT NOT NULL,
    -- How often it could not be done.
    attempts BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX erp_work_by_day ON erp_work (due_at, stream);

-- Whether the ERP has a transfer request of it that has not ended.
ALTER TABLE reservations ADD COLUMN in_erp BIGINT NOT NULL DEFAULT 0;
CREATE INDEX reservations_by_document ON reservations (channel, store, document_number);
