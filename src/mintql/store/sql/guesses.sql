-- name: begin
-- Makes rows for what was not guessed at yet, in the order in which all lock them.
INSERT INTO guesses (subject, guessed_at, blocked_until)
SELECT subject, 'epoch', 'epoch' FROM unnest($1::bytea[]) AS subject ORDER BY subject
ON CONFLICT DO NOTHING

-- name: lock
-- How often each of these was guessed at, locked in their order.
SELECT subject, count, guessed_at, blocked_until FROM guesses
WHERE subject = ANY ($1::bytea[]) ORDER BY subject FOR UPDATE

-- name: write
-- Writes how often each of these was guessed at.
UPDATE guesses SET count = new.count, guessed_at = new.guessed_at, blocked_until = new.blocked_until
FROM unnest($1::bytea[], $2::int[], $3::timestamptz[], $4::timestamptz[])
    AS new (subject, count, guessed_at, blocked_until)
WHERE guesses.subject = new.subject

-- name: purge
-- Forgets what was guessed at last before a moment, a bounded number at a time; returns how many went.
WITH old AS (
    SELECT subject FROM guesses WHERE guessed_at < $1 AND blocked_until < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM guesses USING old WHERE guesses.subject = old.subject RETURNING 1
)
SELECT count(*)::int AS purged FROM gone
