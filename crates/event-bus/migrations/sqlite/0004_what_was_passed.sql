-- Id of the event before next_offset; empty: not known. A log that has another one there was restored to an earlier point.
ALTER TABLE bus_positions ADD COLUMN passed TEXT NOT NULL DEFAULT '';
