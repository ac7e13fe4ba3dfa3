INSERT INTO personal_keys (person, wrapped, created_at, erased_at)
VALUES ($1, NULL, $2, $2)
ON CONFLICT (person) DO UPDATE
SET wrapped = NULL, erased_at = COALESCE(personal_keys.erased_at, excluded.erased_at)
