UPDATE {work} SET claimed_by = '', claimed_until = $6, attempts = $3, due_at = $4, trouble = $5
WHERE stream = $1 AND claimed_by = $2
