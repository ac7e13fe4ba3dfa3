CREATE TABLE IF NOT EXISTS applied_migrations (
    owner text NOT NULL,
    version bigint NOT NULL,
    description text NOT NULL,
    checksum bytea NOT NULL,
    applied_at bigint NOT NULL,
    PRIMARY KEY (owner, version)
);
