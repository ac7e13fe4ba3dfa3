DELETE FROM {work} WHERE stream = $1 AND claimed_by = $2 AND asked = $3
