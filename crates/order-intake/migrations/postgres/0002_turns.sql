-- Channels take turns: one with many orders waiting does not hold up the others.
ALTER TABLE order_work ADD COLUMN channel TEXT NOT NULL DEFAULT '';
