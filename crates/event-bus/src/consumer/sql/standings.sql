SELECT consumer, topic, partition_number, source, next_offset, log, epoch, position, stalled
FROM bus_positions
ORDER BY consumer, topic, partition_number, source
