UPDATE {table} SET due_at = $3, attempts = attempts + 1
WHERE stream = $1 AND asked = $2
