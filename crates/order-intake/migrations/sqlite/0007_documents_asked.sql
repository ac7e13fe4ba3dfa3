-- Orders whose documents the ERP is to be asked for, because its status feed may have forgotten some of them.
CREATE TABLE document_work (
    stream TEXT PRIMARY KEY,
    -- Another one whenever it is asked for anew.
    asked TEXT NOT NULL,
    -- Microseconds since 1970.
    due_at BIGINT NOT NULL,
    -- How often it could not be done.
    attempts BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX document_work_by_day ON document_work (due_at, stream);
