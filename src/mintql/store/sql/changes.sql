-- name: latest_seq
-- How far the log of changes of one person goes.
SELECT change_seq FROM user_counters WHERE user_id = $1

-- name: list_after
-- The next mentions of a person's transactions after a place in the log of changes, in the order they were written.
SELECT log.seq, mention.position, mention.transaction_id,
    mention.position <= coalesce(cardinality(log.added_ids), 0) AS came
FROM transaction_changes AS log
CROSS JOIN LATERAL unnest(log.added_ids || log.changed_ids || log.removed_ids) WITH ORDINALITY
    AS mention (transaction_id, position)
WHERE log.user_id = $1 AND log.seq >= $2 AND (log.seq, mention.position) > ($2::bigint, $3::bigint)
ORDER BY log.seq, mention.position LIMIT $4

-- name: kinds_after
-- The kinds of which something changed after a place in the log of changes.
SELECT kind FROM kind_changes WHERE user_id = $1 AND seq > $2 ORDER BY kind

-- name: purge
-- Forgets mentions older than a moment, a bounded number of rows at a time; returns how many went.
WITH old AS (
    SELECT user_id, seq FROM transaction_changes WHERE created_at < $1 LIMIT $2
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM transaction_changes AS log USING old WHERE log.user_id = old.user_id AND log.seq = old.seq RETURNING 1
)
SELECT count(*)::int AS purged FROM gone
