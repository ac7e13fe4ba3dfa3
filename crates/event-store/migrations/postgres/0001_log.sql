-- The log. Times are microseconds since 1970.
CREATE TABLE log_head (
    shard smallint PRIMARY KEY,
    position bigint NOT NULL,
    -- The incarnation of the log: a restored or rebuilt one gets a new value.
    epoch uuid NOT NULL,
    -- Raised by every takeover of a lease; an append that names a lease moves the head only while this stands where it was read.
    fence bigint NOT NULL
) WITH (fillfactor = 10);

CREATE TABLE events (
    position bigint NOT NULL,
    version bigint NOT NULL,
    occurred_at bigint NOT NULL,
    recorded_at bigint NOT NULL,
    id uuid NOT NULL,
    correlation_id uuid NOT NULL,
    causation_id uuid,
    shard smallint NOT NULL DEFAULT 0,
    deleted boolean NOT NULL,
    stream text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    -- Null where it equals the stream.
    key text COLLATE "C",
    erp text COLLATE "C",
    channel text COLLATE "C",
    traceparent text COLLATE "C",
    actor text COLLATE "C" NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (shard, position),
    CONSTRAINT events_stream_version UNIQUE (stream, version),
    CONSTRAINT events_id UNIQUE (id)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);

-- Protobuf does not compress well, and small rows gain nothing.
ALTER TABLE events ALTER COLUMN payload SET STORAGE EXTERNAL;

-- First answers, for appends that carry an idempotency key.
CREATE TABLE answers (
    key text COLLATE "C" PRIMARY KEY,
    first bigint NOT NULL,
    last bigint NOT NULL,
    versions bigint[] NOT NULL,
    recorded_at bigint NOT NULL
);

CREATE TABLE leases (
    name text COLLATE "C" PRIMARY KEY,
    holder text NOT NULL,
    epoch bigint NOT NULL,
    marker bigint NOT NULL,
    -- By the database's clock; null when given back.
    expires_at timestamptz
);

CREATE TABLE checkpoints (
    name text COLLATE "C" PRIMARY KEY,
    position bigint NOT NULL
);

CREATE TABLE cursors (
    name text COLLATE "C" PRIMARY KEY,
    cursor text NOT NULL
);

CREATE TABLE personal_keys (
    person text COLLATE "C" PRIMARY KEY,
    -- Null once erased.
    wrapped bytea,
    created_at bigint NOT NULL,
    erased_at bigint
);
