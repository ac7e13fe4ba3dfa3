-- One channel's feed. The events themselves stand in the log beside these tables.

-- The latest record of every key the channel may ever see, shown or not: what was hidden can be shown again without asking
-- anybody.
CREATE TABLE known (
    key TEXT PRIMARY KEY,
    -- Key of the item the record belongs to; an item's own.
    item TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- As it came; empty when deleted.
    payload BYTEA NOT NULL,
    deleted BIGINT NOT NULL,
    -- Where it stood in its log: what is older is a repeat.
    epoch TEXT NOT NULL,
    position BIGINT NOT NULL,
    -- Fingerprint of what the feed's readers were told last; null: they do not know it.
    shown BIGINT
);
CREATE INDEX known_by_item ON known (item);

-- How far the readers have come.
CREATE TABLE consumers (
    name TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    acknowledged_at BIGINT NOT NULL
);
