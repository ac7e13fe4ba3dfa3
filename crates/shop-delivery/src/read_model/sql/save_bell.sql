INSERT INTO doorbells
    (name, place, up_to, rung, together, heeded, off_reason, off_at, attempts, failing_since, next_try_at, last_failure, last_failure_at, last_success_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (name) DO UPDATE SET
    place = excluded.place,
    up_to = excluded.up_to,
    rung = excluded.rung,
    together = excluded.together,
    heeded = excluded.heeded,
    off_reason = excluded.off_reason,
    off_at = excluded.off_at,
    attempts = excluded.attempts,
    failing_since = excluded.failing_since,
    next_try_at = excluded.next_try_at,
    last_failure = excluded.last_failure,
    last_failure_at = excluded.last_failure_at,
    last_success_at = excluded.last_success_at
