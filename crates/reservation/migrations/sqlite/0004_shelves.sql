-- Shelves that hold something; made of the log, may be dropped and made again. They are made by a projection of a new name, which begins
-- at the beginning, also while processes of an older version still run.
CREATE TABLE shelves (
    -- Stream of the shelf.
    stream TEXT PRIMARY KEY,
    -- shelves.v1.ShelfMoved, the last one, without the reservations.
    shelf BLOB NOT NULL
);

-- Whether the shop was told that something of it is missing.
ALTER TABLE reservations ADD COLUMN short BIGINT NOT NULL DEFAULT 0;
CREATE INDEX reservations_short ON reservations (store) WHERE short <> 0;

-- Company, item and variant, as shelves name them.
ALTER TABLE inventories ADD COLUMN thing TEXT NOT NULL DEFAULT '';
UPDATE inventories SET thing = substr(key, 11) || CASE WHEN length(key) - length(replace(key, '/', '')) = 2 THEN '/' ELSE '' END;
CREATE INDEX inventories_by_thing ON inventories (thing);
