INSERT INTO bus_positions (consumer, topic, partition_number, source, next_offset, log, epoch, shard, position, epoch_since, old_until, stalled, passed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (consumer, topic, partition_number, source) DO NOTHING
