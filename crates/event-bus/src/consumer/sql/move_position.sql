UPDATE bus_positions
SET next_offset = $5, log = $6, epoch = $7, shard = $8, position = $9, epoch_since = $10, old_until = $11, stalled = $12, passed = $13
WHERE consumer = $1 AND topic = $2 AND partition_number = $3 AND source = $4 AND next_offset = $14 AND stalled = ''
