-- name: take
-- Prefixes whose objects are to go by now, those that are longest due first.
SELECT user_id, prefix, created_at FROM doomed_objects WHERE due_at <= $1 ORDER BY due_at, user_id, prefix LIMIT $2

-- name: put_off
-- Notes when to look under a prefix again, unless it was asked for once more meanwhile.
UPDATE doomed_objects SET due_at = $4 WHERE user_id = $1 AND prefix = $2 AND created_at = $3

-- name: settle
-- Forgets a prefix under which nothing is left, unless it was asked for once more meanwhile.
DELETE FROM doomed_objects WHERE user_id = $1 AND prefix = $2 AND created_at = $3
