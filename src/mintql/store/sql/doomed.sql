-- name: take
-- Prefixes whose objects are to go, oldest first.
SELECT user_id, prefix FROM doomed_objects ORDER BY created_at, user_id, prefix LIMIT $1

-- name: settle
-- Forgets a prefix under which nothing is left.
DELETE FROM doomed_objects WHERE user_id = $1 AND prefix = $2
