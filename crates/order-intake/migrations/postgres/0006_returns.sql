-- Returns of orders, as their owner tells of them.
CREATE TABLE order_returns (
    -- return/<channel>/<number>
    stream TEXT PRIMARY KEY,
    -- order/<channel>/<number>
    order_stream TEXT NOT NULL,
    -- Where its submission stands in its owner's log: the order they are shown in.
    position BIGINT NOT NULL,
    -- order.v1.OrderReturn
    shown BYTEA NOT NULL,
    -- 1: whoever sends the goods back is not known to be whose order it is; not shown with it.
    is_strangers BIGINT NOT NULL
);
CREATE INDEX order_returns_by_order ON order_returns (order_stream, position);
