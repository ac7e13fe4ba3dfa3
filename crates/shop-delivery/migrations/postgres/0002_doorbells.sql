-- How far the channel's doorbells have come. What people decided about them stands in the log, in the streams `doorbell/…` and
-- `channel/…`; it is heeded here in the order in which it was said.
CREATE TABLE doorbells (
    name TEXT PRIMARY KEY,
    -- Everything in the feed up to here was rung; null: it waits for the channel to be opened.
    place BIGINT,
    -- Rings under way stand for what comes after, up to here; those that begin up to `rung` are done. Null: none are under way.
    up_to BIGINT,
    rung BIGINT,
    -- What the changes of one of these rings have in common.
    together TEXT,
    -- Version of its stream up to which it was heeded.
    heeded BIGINT NOT NULL,
    -- Why and since when it is off; null: it is on.
    off_reason TEXT,
    off_at BIGINT,
    -- The ring in hand failed so often, since then, and is tried again then; null: it did not.
    attempts BIGINT,
    failing_since BIGINT,
    next_try_at BIGINT,
    last_failure TEXT,
    last_failure_at BIGINT,
    last_success_at BIGINT
);

-- Stretches of the feed that are rung again, by the version of the event that asked for it.
CREATE TABLE doorbell_replays (
    doorbell TEXT NOT NULL,
    asked BIGINT NOT NULL,
    -- The next and the last position to ring.
    next BIGINT NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (doorbell, asked)
);
