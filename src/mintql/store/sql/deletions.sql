-- name: begin
-- Begins the deletion of the current person.
SELECT begin_deletion($1, $2, $3) AS deletion_id

-- name: by_token
-- How far a deletion is, by its token.
SELECT deletion_id, step, requested_at, due_at, finished_at, digest FROM deletion_by_token($1)

-- name: entries_by_token
-- What a deletion has removed, by its token and after a position.
SELECT "position", what, removed, done_at, digest
FROM deletion_entries_by_token($1, $2, $3)

-- name: empty_profile
-- Takes from one person's row what says who they are, and with what they could sign in.
UPDATE users SET email = $2, name = 'Deleted', password_hash = '', annual_income_minor = NULL,
    detected_income_minor = NULL, detected_income_at = NULL, last_active_on = '1970-01-01'
WHERE user_id = $1
