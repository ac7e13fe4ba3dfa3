UPDATE {work} SET claimed_by = $3, claimed_until = $4
WHERE stream = $1 AND claimed_until <= $2
