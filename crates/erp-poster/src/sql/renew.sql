UPDATE {work} SET claimed_until = $3 WHERE stream = $1 AND claimed_by = $2
