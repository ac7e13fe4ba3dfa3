SELECT available FROM stock WHERE item = 1 FOR UPDATE
