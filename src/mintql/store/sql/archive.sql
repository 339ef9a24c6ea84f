-- name: due_months
-- Months before a day with rows of these persons, but those that are archived or were brought back lately. OFFSET 0 has
-- each month asked for, and not everybody's read.
SELECT person.user_id, old.month
FROM unnest($1::bigint[]) AS person (user_id)
CROSS JOIN LATERAL (
    SELECT DISTINCT date_trunc('month', row.posted_on)::date AS month FROM transactions AS row
    WHERE row.user_id = person.user_id AND row.posted_on < $2 AND row.successor_id IS NULL AND row.removed_at IS NULL
) AS old
WHERE NOT EXISTS (
    SELECT FROM archived_months AS there
    WHERE there.user_id = person.user_id AND there.month = old.month
      AND (there.state = 'archived' OR there.restored_at > $3) OFFSET 0
)
ORDER BY person.user_id, old.month

-- name: month_rows
-- All transactions of a person's month, those among them that do not count.
SELECT * FROM transactions WHERE user_id = $1 AND posted_on >= $2 AND posted_on < $3 ORDER BY transaction_id

-- name: links
-- Pairs of transactions of which at least one is among these: transfers, matches, and what points to a successor.
SELECT out_id AS one_id, in_id AS other_id FROM transfers WHERE user_id = $1 AND out_id = ANY ($2::bigint[])
UNION ALL
SELECT out_id, in_id FROM transfers WHERE user_id = $1 AND in_id = ANY ($2::bigint[])
UNION ALL
SELECT from_id, to_id FROM transaction_matches WHERE user_id = $1 AND from_id = ANY ($2::bigint[])
UNION ALL
SELECT from_id, to_id FROM transaction_matches WHERE user_id = $1 AND to_id = ANY ($2::bigint[])
UNION ALL
SELECT transaction_id, successor_id FROM transactions WHERE user_id = $1 AND successor_id = ANY ($2::bigint[])

-- name: transfers_of
-- Transfers between these transactions.
SELECT * FROM transfers WHERE user_id = $1 AND out_id = ANY ($2::bigint[]) ORDER BY transfer_id

-- name: matches_of
-- Matches between these transactions.
SELECT * FROM transaction_matches WHERE user_id = $1 AND from_id = ANY ($2::bigint[]) ORDER BY from_id

-- name: delete_rows
-- Takes transactions, and with them the transfers and matches between them, out of the database.
DELETE FROM transactions WHERE user_id = $1 AND transaction_id = ANY ($2::bigint[])

-- name: note_archived
-- Notes that a month is in the object store, and what was moved.
INSERT INTO archived_months (user_id, month, state, object_key, digest, row_count, first_id, last_id, account_ids, tags,
    tag_counts, sum_category_ids, sum_currencies, sum_minor, sum_counts, sum_excluded_minor, archived_at)
VALUES ($1, $2, 'archived', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (user_id, month) DO UPDATE SET state = 'archived', object_key = excluded.object_key,
    digest = excluded.digest, row_count = excluded.row_count, first_id = excluded.first_id,
    last_id = excluded.last_id, account_ids = excluded.account_ids, tags = excluded.tags,
    tag_counts = excluded.tag_counts, sum_category_ids = excluded.sum_category_ids,
    sum_currencies = excluded.sum_currencies, sum_minor = excluded.sum_minor, sum_counts = excluded.sum_counts,
    sum_excluded_minor = excluded.sum_excluded_minor, archived_at = excluded.archived_at, restored_at = NULL,
    tidied_at = NULL
WHERE archived_months.state = 'restored'

-- name: untidy
-- Months that were brought back before a moment and whose objects are still there.
SELECT user_id, month FROM archived_months
WHERE state = 'restored' AND tidied_at IS NULL AND restored_at < $1 ORDER BY restored_at LIMIT $2

-- name: note_tidied
-- Notes that nothing of a month that was brought back is left in the object store.
UPDATE archived_months SET tidied_at = $3 WHERE user_id = $1 AND month = $2 AND state = 'restored'
