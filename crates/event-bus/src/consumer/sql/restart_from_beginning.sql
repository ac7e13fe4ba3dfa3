UPDATE bus_positions SET stalled = '', next_offset = $5, passed = ''
WHERE consumer = $1 AND topic = $2 AND partition_number = $3 AND source = $4 AND stalled <> ''
