-- Where the partition ended when the consumer began it: what is older may have been compacted.
ALTER TABLE bus_positions ADD COLUMN old_until BIGINT NOT NULL DEFAULT -1;
