-- name: imports_of
-- Files that were taken in and of which a part went into an account of files, with the runs that brought them, in order.
SELECT file.import_id, file.connection_id, file.object_key, file.sha256, file.plan::text AS plan, run.run_id,
    run.state AS run_state
FROM file_imports AS file
JOIN sync_runs AS run ON run.user_id = file.user_id AND run.import_id = file.import_id
WHERE file.user_id = $1 AND file.state = 'confirmed' AND EXISTS (
    SELECT FROM jsonb_array_elements(file.plan -> 'statements') AS planned
    WHERE planned -> 'account' ->> 'external_id' = $2
)
ORDER BY run.run_id

-- name: days
-- First and last day of an account's transactions.
SELECT min(posted_on) AS first_day, max(posted_on) AS last_day FROM transactions WHERE user_id = $1 AND account_id = $2

-- name: decided
-- Transactions of which the person said that they give way to none.
SELECT from_id FROM transaction_matches WHERE user_id = $1 AND state IN ('dismissed', 'undone')

-- name: same_rows
-- Rows of an account that another one has under the very same id, because a file went into both. Each is looked up by
-- its key, whatever the planner believes of the table.
SELECT gone_id, stays_id FROM (
    SELECT mine.transaction_id AS gone_id, (
        SELECT theirs.transaction_id FROM transactions AS theirs
        WHERE theirs.user_id = mine.user_id AND theirs.account_id = $3 AND theirs.external_id = mine.external_id
    ) AS stays_id
    FROM transactions AS mine WHERE mine.user_id = $1 AND mine.account_id = $2
    OFFSET 0
) AS same WHERE stays_id IS NOT NULL

-- name: point_to_same
-- Lets what gave way to rows that are about to go give way to the same rows of the other account.
WITH pointed AS (
    UPDATE transaction_matches AS match SET to_id = same.stays_id
    FROM unnest($2::bigint[], $3::bigint[]) AS same (gone_id, stays_id)
    WHERE match.user_id = $1 AND match.to_id = same.gone_id
    RETURNING match.from_id, same.gone_id, same.stays_id
)
UPDATE transactions AS row SET successor_id = pointed.stays_id, updated_at = $4
FROM pointed
WHERE row.user_id = $1 AND row.transaction_id = pointed.from_id AND row.successor_id = pointed.gone_id

-- name: drop_rows
-- Removes rows that are there under the same id in the other account; `counted`: those that counted.
DELETE FROM transactions WHERE user_id = $1 AND transaction_id = ANY ($2::bigint[])
RETURNING transaction_id, posted_on, successor_id IS NULL AND removed_at IS NULL AS counted

-- name: set_categories
-- Puts transactions into the categories that a person chose for those that give way to them.
UPDATE transactions AS row SET category_id = said.category_id, category_source = said.category_source,
    category_detail = said.category_detail, updated_at = $6
FROM unnest($2::bigint[], $3::int[], $4::text[], $5::text[])
    AS said (transaction_id, category_id, category_source, category_detail)
WHERE row.user_id = $1 AND row.transaction_id = said.transaction_id

-- name: move_rows
-- Puts all transactions of an account into another one.
UPDATE transactions SET account_id = $3, updated_at = $4 WHERE user_id = $1 AND account_id = $2
RETURNING transaction_id, successor_id IS NULL AND removed_at IS NULL AS counts

-- name: move_imports
-- Writes where files lie now, and by which plans they are read.
UPDATE file_imports AS file SET object_key = moved.object_key, plan = moved.plan::jsonb
FROM unnest($2::bigint[], $3::text[], $4::text[]) AS moved (import_id, object_key, plan)
WHERE file.user_id = $1 AND file.import_id = moved.import_id

-- name: move_pages
-- Points the raw pages of files to where they lie now.
SELECT move_import_pages(owner_user_id => $1, import_ids => $2, file_keys => $3, plan_keys => $4, plan_digests => $5,
    plan_sizes => $6, moved_at => $7)

-- name: absorb
-- Lets an account go by the ids of another one as well.
UPDATE accounts AS account
SET former_external_ids = account.former_external_ids || gone.former_external_ids || gone.external_id
FROM accounts AS gone
WHERE account.user_id = $1 AND account.account_id = $3 AND gone.user_id = $1 AND gone.account_id = $2

-- name: drop_account
-- Removes an account of which nothing is left.
DELETE FROM accounts WHERE user_id = $1 AND account_id = $2

-- name: candidates
-- Pairs of an account that files alone bring and one that a connection reads, of one currency. Of the last rows of the
-- first on days that the second has told of, `compared` are looked up in the second, and `shared` are there.
WITH known AS (
    SELECT account.account_id, account.currency, account.mask, link.institution_id FROM accounts AS account
    JOIN connections AS link ON link.user_id = account.user_id AND link.connection_id = account.connection_id
    WHERE account.user_id = $1 AND link.status <> 'disconnected'
), live AS (
    SELECT known.account_id, known.currency, known.mask, (
        SELECT min(row.posted_on) FROM transactions AS row
        WHERE row.user_id = $1 AND row.account_id = known.account_id AND row.successor_id IS NULL
            AND row.removed_at IS NULL
    ) AS first_day, (
        SELECT max(row.posted_on) FROM transactions AS row
        WHERE row.user_id = $1 AND row.account_id = known.account_id AND row.successor_id IS NULL
            AND row.removed_at IS NULL
    ) AS last_day
    FROM known WHERE institution_id <> $2
), pairs AS (
    SELECT filed.account_id AS from_id, live.account_id AS into_id, live.first_day, live.last_day
    FROM known AS filed JOIN live ON live.currency = filed.currency
    WHERE filed.institution_id = $2
    ORDER BY filed.mask = live.mask DESC, filed.account_id, live.account_id LIMIT $3
)
SELECT pairs.from_id, pairs.into_id, count(told.shared)::int AS compared,
    (count(*) FILTER (WHERE told.shared))::int AS shared
FROM pairs LEFT JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM transactions AS there
        WHERE there.user_id = $1 AND there.account_id = pairs.into_id AND there.successor_id IS NULL
            AND there.removed_at IS NULL AND there.posted_on BETWEEN row.posted_on - $5::int AND row.posted_on + $5::int
            AND there.amount_minor = row.amount_minor AND there.currency = row.currency
    ) AS shared
    FROM (
        SELECT recent.posted_on, recent.amount_minor, recent.currency FROM transactions AS recent
        WHERE recent.user_id = $1 AND recent.account_id = pairs.from_id AND recent.successor_id IS NULL
            AND recent.removed_at IS NULL AND recent.posted_on BETWEEN pairs.first_day AND pairs.last_day
        ORDER BY recent.posted_on DESC, recent.transaction_id DESC LIMIT $4
    ) AS row
) AS told ON true
GROUP BY pairs.from_id, pairs.into_id
