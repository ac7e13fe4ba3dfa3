SELECT next_offset, log, epoch, shard, position, epoch_since, old_until, stalled, passed
FROM bus_positions
WHERE consumer = $1 AND topic = $2 AND partition_number = $3 AND source = $4
