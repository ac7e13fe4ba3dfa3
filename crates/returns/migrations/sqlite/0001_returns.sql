-- Returns as they are shown; made of the log, may be dropped and made again.
CREATE TABLE returns (
    stream TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    order_number TEXT NOT NULL,
    -- Number of returns.v1.ReturnState.
    state BIGINT NOT NULL,
    -- Where its submission stands in the log: the order of pages.
    position BIGINT NOT NULL,
    -- returns.v1.ReturnView, without comments and photos.
    view BLOB NOT NULL
);
CREATE INDEX returns_by_channel ON returns (channel, position);
CREATE INDEX returns_by_state ON returns (state, position);
CREATE INDEX returns_by_order ON returns (channel, order_number, position);

-- What held returns wait for: order/<channel>/<number>, returnable/<channel>/<number>, reasons/<erp>.
CREATE TABLE return_waits (
    subject TEXT NOT NULL,
    stream TEXT NOT NULL,
    PRIMARY KEY (subject, stream)
);
CREATE INDEX return_waits_by_stream ON return_waits (stream);

-- Returns somebody has to look at: check again, hand over. One look at a time, by claim.
CREATE TABLE return_work (
    stream TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    -- Rises with every reason to look, so that a look that began earlier does not settle a later reason.
    asked BIGINT NOT NULL,
    -- Microseconds since 1970, as all times here.
    due_at BIGINT NOT NULL,
    claimed_by TEXT NOT NULL,
    claimed_until BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    -- Why the last attempt came to nothing; never personal.
    trouble TEXT NOT NULL
);
CREATE INDEX return_work_by_due ON return_work (due_at);

-- What was told of that held returns may wait for, one row for each transaction that did.
CREATE TABLE arrivals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Subjects as in return_waits, one a line.
    subjects TEXT NOT NULL
);

-- Orders as order-intake tells of them.
CREATE TABLE known_orders (
    -- order/<channel>/<number>
    stream TEXT PRIMARY KEY,
    -- returns.v1.OriginalOrder
    original BLOB NOT NULL
);

-- Why goods may come back, as the ERP or the settings say.
CREATE TABLE return_reasons (
    erp TEXT NOT NULL,
    code TEXT NOT NULL,
    -- BCP 47; empty: the ERP's own words, which every reason has.
    language TEXT NOT NULL,
    description TEXT NOT NULL,
    PRIMARY KEY (erp, code, language)
);
