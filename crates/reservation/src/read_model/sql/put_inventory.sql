INSERT INTO inventories (key, asked, inventory) VALUES ($1, $2, $3)
ON CONFLICT (key) DO UPDATE SET asked = excluded.asked, inventory = excluded.inventory
