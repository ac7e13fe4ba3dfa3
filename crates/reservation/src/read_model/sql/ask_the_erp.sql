INSERT INTO erp_work (stream, asked, due_at) VALUES ($1, 1, 0)
ON CONFLICT (stream) DO UPDATE SET asked = erp_work.asked + 1, due_at = 0
