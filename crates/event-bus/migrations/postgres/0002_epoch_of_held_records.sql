-- A recreated topic counts its offsets from the beginning again: what was kept of its earlier life must not make room for another
-- record that happens to have the same offset. A binary of the version before this one can no longer keep records aside here; it
-- tries again until it is replaced, and loses nothing.
ALTER TABLE bus_held ADD COLUMN epoch TEXT NOT NULL DEFAULT '';

DO $$
DECLARE
    old_key TEXT;
BEGIN
    SELECT conname INTO STRICT old_key FROM pg_constraint WHERE conrelid = 'bus_held'::regclass AND contype = 'u';
    EXECUTE format('ALTER TABLE bus_held DROP CONSTRAINT %I', old_key);
END
$$;

ALTER TABLE bus_held
    ADD CONSTRAINT bus_held_once UNIQUE (consumer, topic, partition_number, source, epoch, record_offset);
