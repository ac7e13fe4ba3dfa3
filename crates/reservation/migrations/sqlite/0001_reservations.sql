-- Reservations as they are shown; made of the log, may be dropped and made again.
CREATE TABLE reservations (
    stream TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    store TEXT NOT NULL,
    -- Number of reservation.v1.ReservationState.
    state BIGINT NOT NULL,
    -- Where its request stands in the log: the order of pages.
    position BIGINT NOT NULL,
    -- Empty: a guest's.
    customer TEXT NOT NULL,
    -- Empty before goods were put aside.
    document_number TEXT NOT NULL,
    -- YYYY-MM-DD: by when the store answers, or the customer comes.
    due TEXT NOT NULL,
    reminded BIGINT NOT NULL,
    -- reservation.v1.ReservationView, without the contact.
    view BLOB NOT NULL
);
CREATE INDEX reservations_by_channel ON reservations (channel, position);
CREATE INDEX reservations_by_store ON reservations (channel, store, state, position);
CREATE INDEX reservations_by_day ON reservations (store, state, due);
CREATE INDEX reservations_by_customer ON reservations (channel, customer, state);

-- Figures as stock-availability tells them.
CREATE TABLE inventories (
    key TEXT PRIMARY KEY,
    -- Company, number and variant, as a shop asks.
    asked TEXT NOT NULL,
    -- inventories.v1.Inventory
    inventory BLOB NOT NULL
);
CREATE INDEX inventories_by_asked ON inventories (asked);
