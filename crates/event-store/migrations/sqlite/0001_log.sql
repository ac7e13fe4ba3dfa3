-- The log. Times are microseconds since 1970.
CREATE TABLE log_head (
    shard INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    -- The incarnation of the log: a restored or rebuilt one gets a new value.
    epoch BLOB NOT NULL,
    -- Raised by every takeover of a lease.
    fence INTEGER NOT NULL
);

CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    id BLOB NOT NULL,
    correlation_id BLOB NOT NULL,
    causation_id BLOB,
    shard INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL,
    stream TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- Null where it equals the stream.
    key TEXT,
    erp TEXT,
    channel TEXT,
    traceparent TEXT,
    actor TEXT NOT NULL,
    payload BLOB NOT NULL
);
CREATE UNIQUE INDEX events_stream_version ON events (stream, version);
CREATE UNIQUE INDEX events_id ON events (id);

-- First answers, for appends that carry an idempotency key. Versions: decimal numbers with spaces between.
CREATE TABLE answers (
    key TEXT PRIMARY KEY,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    versions TEXT NOT NULL,
    recorded_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    marker INTEGER NOT NULL,
    -- Null when given back.
    expires_at INTEGER
) WITHOUT ROWID;

CREATE TABLE checkpoints (
    name TEXT PRIMARY KEY,
    position BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE cursors (
    name TEXT PRIMARY KEY,
    cursor TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE personal_keys (
    person TEXT PRIMARY KEY,
    -- Null once erased.
    wrapped BLOB,
    created_at BIGINT NOT NULL,
    erased_at BIGINT
) WITHOUT ROWID;
