-- name: purge
-- Forgets keys older than a moment, a bounded number at a time; returns how many went.
WITH old AS (
    SELECT user_id, key FROM idempotency_keys WHERE created_at < $1 LIMIT $2
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM idempotency_keys AS known USING old
    WHERE known.user_id = old.user_id AND known.key = old.key RETURNING 1
)
SELECT count(*)::int AS purged FROM gone
