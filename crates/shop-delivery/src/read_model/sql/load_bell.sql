SELECT place, up_to, rung, together, heeded, off_reason, off_at, attempts, failing_since, next_try_at, last_failure, last_failure_at, last_success_at
FROM doorbells
WHERE name = $1
