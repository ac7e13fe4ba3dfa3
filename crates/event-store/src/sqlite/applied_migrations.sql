CREATE TABLE IF NOT EXISTS applied_migrations (
    owner TEXT NOT NULL,
    version INTEGER NOT NULL,
    description TEXT NOT NULL,
    checksum BLOB NOT NULL,
    applied_at INTEGER NOT NULL,
    PRIMARY KEY (owner, version)
) WITHOUT ROWID;
