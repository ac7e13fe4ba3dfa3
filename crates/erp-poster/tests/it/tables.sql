CREATE TABLE papers (stream TEXT PRIMARY KEY, channel TEXT NOT NULL, state BIGINT NOT NULL);
CREATE TABLE paper_waits (subject TEXT NOT NULL, stream TEXT NOT NULL, PRIMARY KEY (subject, stream));
CREATE TABLE paper_work (
    stream TEXT PRIMARY KEY, channel TEXT NOT NULL, asked BIGINT NOT NULL, due_at BIGINT NOT NULL, claimed_by TEXT NOT NULL,
    claimed_until BIGINT NOT NULL, attempts BIGINT NOT NULL, trouble TEXT NOT NULL
);
CREATE TABLE arrivals (id INTEGER PRIMARY KEY AUTOINCREMENT, subjects TEXT NOT NULL);
