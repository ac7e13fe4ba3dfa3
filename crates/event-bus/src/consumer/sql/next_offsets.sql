SELECT topic, partition_number, source, next_offset FROM bus_positions WHERE consumer = $1
