-- What brought a reservation's goods back to the store's stock.
ALTER TABLE in_flight ADD COLUMN returned_version BIGINT;
ALTER TABLE in_flight ADD COLUMN returned_at BIGINT;
