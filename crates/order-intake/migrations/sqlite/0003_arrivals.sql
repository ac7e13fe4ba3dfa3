-- 1: what the order waits for has changed since it was last looked at.
ALTER TABLE order_work ADD COLUMN arrived BIGINT NOT NULL DEFAULT 0;
