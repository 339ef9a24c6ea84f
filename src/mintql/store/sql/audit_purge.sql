-- name: purge
-- Forgets acts older than a moment, a bounded number at a time; returns how many went.
WITH old AS (
    SELECT user_id, entry_id FROM audit_entries WHERE created_at < $1 LIMIT $2
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM audit_entries AS entry USING old
    WHERE entry.user_id = old.user_id AND entry.entry_id = old.entry_id RETURNING 1
)
SELECT count(*)::int AS purged FROM gone
