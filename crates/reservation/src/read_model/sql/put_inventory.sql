INSERT INTO inventories (key, asked, thing, inventory) VALUES ($1, $2, $3, $4)
ON CONFLICT (key) DO UPDATE SET asked = excluded.asked, thing = excluded.thing, inventory = excluded.inventory
