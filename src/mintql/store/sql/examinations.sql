-- name: mark
-- Marks persons for an examination that is due from a moment on; who is marked already stays so.
INSERT INTO examinations (user_id, due_at) SELECT user_id, $2 FROM unnest($1::bigint[]) AS given (user_id)
ORDER BY user_id
ON CONFLICT (user_id) DO NOTHING

-- name: due
-- Persons whose examination is due, the longest waiting first.
SELECT user_id FROM examinations WHERE due_at <= $1 ORDER BY due_at LIMIT $2

-- name: due_of
-- Those of these persons whose examination is due, in order.
SELECT user_id FROM examinations WHERE user_id = ANY ($2::bigint[]) AND due_at <= $1 ORDER BY user_id

-- name: take
-- Takes a person's mark off; returns whether there was one.
WITH gone AS (DELETE FROM examinations WHERE user_id = $1 RETURNING 1) SELECT count(*)::int AS marks FROM gone

-- name: put_off
-- Puts off an examination that failed, and ends it after so many attempts: the next change of rows marks anew.
WITH gone AS (DELETE FROM examinations WHERE user_id = $1 AND attempts + 1 >= $3)
UPDATE examinations SET attempts = attempts + 1, due_at = $2 WHERE user_id = $1 AND attempts + 1 < $3

-- name: changed_sellers
-- Keys of the sellers whose transactions a person's log of changes names after a place, in $3 mentions at most, and how
-- many mentions that were; and of those whose series hold one of these, since it may be another seller's now, or deleted.
WITH mentions AS (
    SELECT mention.transaction_id FROM transaction_changes AS log
    CROSS JOIN LATERAL unnest(log.added_ids || log.changed_ids || log.removed_ids) AS mention (transaction_id)
    WHERE log.user_id = $1 AND log.seq > $2
    LIMIT $3
)
SELECT (SELECT count(*)::int FROM mentions) AS mentions, array_agg(DISTINCT of_row.merchant_key) AS merchant_keys
FROM (
    SELECT row.merchant_key FROM (SELECT DISTINCT transaction_id FROM mentions) AS mention CROSS JOIN LATERAL (
        SELECT merchant_key FROM transactions WHERE user_id = $1 AND transaction_id = mention.transaction_id OFFSET 0
    ) AS row
    UNION ALL
    SELECT series.merchant_key FROM recurring_series AS series
    CROSS JOIN LATERAL unnest(series.transaction_ids) AS own (transaction_id)
    WHERE series.user_id = $1 AND own.transaction_id IN (SELECT mentions.transaction_id FROM mentions)
) AS of_row
