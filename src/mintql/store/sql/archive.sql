-- name: announce
-- Notes that months will be archived from now on, unless that was noted before.
INSERT INTO archive_use (begun_at) VALUES ($1) ON CONFLICT DO NOTHING

-- name: announced_before
-- Whether it was noted before a moment that months will be archived.
SELECT EXISTS (SELECT FROM archive_use WHERE begun_at < $1) AS announced

-- name: due_months
-- Months before a day with rows of these persons, but those that are archived or were brought back lately.
SELECT person.user_id, old.month
FROM unnest($1::bigint[]) AS person (user_id)
CROSS JOIN LATERAL (
    SELECT DISTINCT date_trunc('month', row.posted_on)::date AS month FROM transactions AS row
    WHERE row.user_id = person.user_id AND row.posted_on < $2 AND row.successor_id IS NULL AND row.removed_at IS NULL
) AS old
CROSS JOIN LATERAL (
    SELECT count(*) > 0 AS is_there FROM archived_months AS there
    WHERE there.user_id = person.user_id AND there.month = old.month
      AND (there.state = 'archived' OR there.restored_at > $3)
) AS kept
-- What budgets carry over from periods that are no calendar months is summed from transactions.
CROSS JOIN LATERAL (
    SELECT count(*) > 0 AS are_there FROM budget_overrides AS said
    WHERE said.user_id = person.user_id AND said.since < old.month + interval '1 month'
      AND (said.period_unit = 'week' OR extract(day FROM said.period_anchor) <> 1)
) AS budgets
WHERE NOT kept.is_there AND NOT budgets.are_there
ORDER BY person.user_id, old.month

-- name: month_rows
-- All transactions of a person's month, those among them that do not count.
SELECT * FROM transactions WHERE user_id = $1 AND posted_on >= $2 AND posted_on < $3 ORDER BY transaction_id

-- name: links
-- Pairs of transactions of which at least one is among these: transfers, matches, and what points to a successor. What
-- a person chose, which would go with its transaction and could not be undone, is a pair with 0: that one stays.
SELECT out_id AS one_id, in_id AS other_id, state = 'suggested' AS waits FROM transfers
WHERE user_id = $1 AND out_id = ANY ($2::bigint[])
UNION ALL
SELECT out_id, in_id, state = 'suggested' FROM transfers WHERE user_id = $1 AND in_id = ANY ($2::bigint[])
UNION ALL
SELECT from_id, to_id, state = 'suggested' FROM transaction_matches WHERE user_id = $1 AND from_id = ANY ($2::bigint[])
UNION ALL
SELECT from_id, to_id, state = 'suggested' FROM transaction_matches WHERE user_id = $1 AND to_id = ANY ($2::bigint[])
UNION ALL
SELECT transaction_id, successor_id, false FROM transactions WHERE user_id = $1 AND successor_id = ANY ($2::bigint[])
UNION ALL
SELECT transaction_id, 0, false FROM category_choices WHERE user_id = $1 AND transaction_id = ANY ($2::bigint[])

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
INSERT INTO archived_months (user_id, month, state, object_key, digest, row_count, first_id, last_id, first_on,
    account_ids, tags, tag_counts, sum_category_ids, sum_currencies, sum_minor, sum_counts, sum_excluded_minor,
    archived_at)
VALUES ($1, $2, 'archived', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT (user_id, month) DO UPDATE SET state = 'archived', object_key = excluded.object_key,
    digest = excluded.digest, row_count = excluded.row_count, first_id = excluded.first_id,
    last_id = excluded.last_id, first_on = excluded.first_on, account_ids = excluded.account_ids, tags = excluded.tags,
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

-- name: unknown_removed
-- Accounts with archived months of which an institution takes a row back that the database does not have.
SELECT DISTINCT account.user_id, account.account_id
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[])
    AS said (user_id, connection_id, account_external_id, external_id)
JOIN accounts AS account ON account.user_id = said.user_id AND account.connection_id = said.connection_id
    AND account.external_id = said.account_external_id
CROSS JOIN LATERAL (
    SELECT count(*) > 0 AS is_there FROM transactions AS row
    WHERE row.user_id = account.user_id AND row.account_id = account.account_id AND row.external_id = said.external_id
) AS known
CROSS JOIN LATERAL (
    SELECT count(*) > 0 AS is_there FROM archived_months AS month
    WHERE month.user_id = account.user_id AND month.state = 'archived' AND account.account_id = ANY (month.account_ids)
) AS archived
WHERE NOT known.is_there AND archived.is_there
ORDER BY account.user_id, account.account_id

-- name: has_open_runs
-- Whether a run of a person is under way.
SELECT EXISTS (
    SELECT 1 FROM sync_runs WHERE user_id = $1 AND state NOT IN ('succeeded', 'failed')
) AS has_open_runs
