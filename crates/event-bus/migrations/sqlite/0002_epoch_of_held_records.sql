-- A recreated topic counts its offsets from the beginning again: what was kept of its earlier life must not make room for another
-- record that happens to have the same offset. SQLite cannot take a constraint away, so the table is made anew.
CREATE TABLE bus_held_by_epoch (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    consumer         TEXT   NOT NULL,
    topic            TEXT   NOT NULL,
    partition_number BIGINT NOT NULL,
    source           TEXT   NOT NULL,
    record_offset    BIGINT NOT NULL,
    record_key       TEXT   NOT NULL,
    -- Full Protobuf name; empty when not even that could be read.
    kind             TEXT   NOT NULL,
    -- parked: needs a person or a newer record; unresolved: waits for waits_for; waiting: behind another of its key;
    -- ready: to be tried now; dropped: given up by a person, kept as evidence without its payload.
    status           TEXT   NOT NULL,
    reason           TEXT   NOT NULL,
    waits_for        TEXT   NOT NULL,
    note             TEXT   NOT NULL,
    attempts         BIGINT NOT NULL,
    held_at          BIGINT NOT NULL,
    last_attempt_at  BIGINT NOT NULL,
    next_attempt_at  BIGINT NOT NULL,
    headers          TEXT   NOT NULL,
    payload          BLOB,
    -- The epoch of the log the record came from; empty where it is not known.
    epoch            TEXT   NOT NULL DEFAULT '',
    UNIQUE (consumer, topic, partition_number, source, epoch, record_offset)
);

INSERT INTO bus_held_by_epoch (id, consumer, topic, partition_number, source, record_offset, record_key, kind, status, reason,
                               waits_for, note, attempts, held_at, last_attempt_at, next_attempt_at, headers, payload)
SELECT id, consumer, topic, partition_number, source, record_offset, record_key, kind, status, reason,
       waits_for, note, attempts, held_at, last_attempt_at, next_attempt_at, headers, payload
FROM bus_held;

-- A number that was given out once is never given out again.
DELETE FROM sqlite_sequence WHERE name = 'bus_held_by_epoch';
INSERT INTO sqlite_sequence (name, seq) SELECT 'bus_held_by_epoch', seq FROM sqlite_sequence WHERE name = 'bus_held';

DROP TABLE bus_held;
ALTER TABLE bus_held_by_epoch RENAME TO bus_held;

CREATE INDEX bus_held_by_key ON bus_held (consumer, topic, record_key, record_offset);
CREATE INDEX bus_held_by_need ON bus_held (waits_for);
CREATE INDEX bus_held_due ON bus_held (consumer, status, next_attempt_at);
