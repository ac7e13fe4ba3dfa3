-- How far each consumer has come in each partition: moved in the transaction of the effect.
CREATE TABLE bus_positions (
    consumer         TEXT   NOT NULL,
    topic            TEXT   NOT NULL,
    partition_number BIGINT NOT NULL,
    -- Where the partition stands: empty for Kafka, the log's name for the embedded bus.
    source           TEXT   NOT NULL,
    -- The first record that was not taken yet; -1: the beginning.
    next_offset      BIGINT NOT NULL,
    -- The log, epoch, shard and position of the last event that was taken: repeats and rebuilt logs are told by them. Empty: none yet.
    log              TEXT   NOT NULL,
    epoch            TEXT   NOT NULL,
    shard            BIGINT NOT NULL,
    position         BIGINT NOT NULL,
    -- The offset at which that epoch was first met.
    epoch_since      BIGINT NOT NULL,
    -- Why this partition waits for a person; empty when it does not.
    stalled          TEXT   NOT NULL,
    PRIMARY KEY (consumer, topic, partition_number, source)
);

-- Records that could not be processed yet.
CREATE TABLE bus_held (
    id               BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
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
    payload          BYTEA,
    UNIQUE (consumer, topic, partition_number, source, record_offset)
);

CREATE INDEX bus_held_by_key ON bus_held (consumer, topic, record_key, record_offset);
CREATE INDEX bus_held_by_need ON bus_held (waits_for);
CREATE INDEX bus_held_due ON bus_held (consumer, status, next_attempt_at);
