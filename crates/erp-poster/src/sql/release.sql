UPDATE {work} SET claimed_by = '', claimed_until = 0, attempts = 0, trouble = ''
WHERE stream = $1 AND claimed_by = $2
