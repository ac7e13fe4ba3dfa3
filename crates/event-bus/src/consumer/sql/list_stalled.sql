SELECT consumer, topic, partition_number, source, stalled
FROM bus_positions
WHERE stalled <> ''
ORDER BY consumer, topic, partition_number, source
