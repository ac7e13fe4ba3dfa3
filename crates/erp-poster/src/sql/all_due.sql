UPDATE {work} SET due_at = $1 WHERE due_at > $1 AND attempts > 0
