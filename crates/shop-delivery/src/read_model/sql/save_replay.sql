INSERT INTO doorbell_replays (doorbell, asked, next, last)
VALUES ($1, $2, $3, $4)
ON CONFLICT (doorbell, asked) DO UPDATE SET next = excluded.next
