INSERT INTO erp_work (stream) VALUES {rows}
ON CONFLICT (stream) DO UPDATE SET asked = erp_work.asked + 1, due_at = 0
