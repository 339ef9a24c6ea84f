-- name: claim
-- Takes a deletion that is due, for as long as a lease.
UPDATE deletions SET lease_until = $3, attempt = attempt + 1
WHERE deletion_id = $1 AND finished_at IS NULL AND due_at <= $2 AND (lease_until IS NULL OR lease_until <= $2)
RETURNING deletion_id, subject_user_id, step, requested_at, attempt, log_scanned_to, position, digest

-- name: hold
-- Locks a claimed deletion until the transaction ends; nothing comes back when another one has claimed it since.
SELECT position, digest FROM deletions
WHERE deletion_id = $1 AND attempt = $2 AND subject_user_id IS NOT NULL FOR UPDATE

-- name: insert_entry
-- Appends what was removed.
INSERT INTO deletion_entries (deletion_id, position, what, removed, done_at, digest)
SELECT deletion_id, $2, $3, $4, $5, $6 FROM deletions WHERE deletion_id = $1 AND subject_user_id IS NOT NULL

-- name: advance
-- Writes how far a deletion is and gives it back, to be gone on with from a moment on.
UPDATE deletions SET step = $2, due_at = $3, log_scanned_to = $4, position = $5, digest = $6, lease_until = NULL
WHERE deletion_id = $1 AND subject_user_id IS NOT NULL

-- name: finish
-- Writes that a deletion is done, and forgets whose it was.
UPDATE deletions SET step = $2, finished_at = $3, subject_user_id = NULL, lease_until = NULL, log_scanned_to = NULL
WHERE deletion_id = $1

-- name: due
-- Deletions that are due and that nobody is at.
SELECT deletion_id FROM deletions
WHERE subject_user_id IS NOT NULL AND finished_at IS NULL AND due_at <= $1
  AND (lease_until IS NULL OR lease_until <= $1)
ORDER BY due_at LIMIT $2

-- name: first_in_steps
-- Whether no deletion that was asked for earlier is in one of these steps.
SELECT NOT EXISTS (
    SELECT FROM deletions
    WHERE deletion_id < $1 AND subject_user_id IS NOT NULL AND step = ANY ($2::text[])
) AS is_first

-- name: delete_rows
-- Deletes rows of one person from the first table that has some.
SELECT what, removed FROM delete_rows_of_person(of_user_id => $1, rows_max => $2)

-- name: delete_person
-- Deletes a person, of whom nothing else is left.
DELETE FROM users WHERE user_id = $1 RETURNING user_id

-- name: remnants
-- Tables that still hold rows of one person.
SELECT name FROM remnants_of_person(of_user_id => $1) AS name

-- name: farewells_left
-- How many institutions have still to be told that access by one person has ended.
SELECT count(*)::int AS farewells FROM farewells WHERE user_id = $1
