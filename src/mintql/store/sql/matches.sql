-- name: lock
-- One decision about a row that gives way to another, locked.
SELECT from_id, to_id, kind, state FROM transaction_matches WHERE user_id = $1 AND from_id = $2 FOR UPDATE

-- name: decide
-- Keeps what the person decided.
UPDATE transaction_matches SET state = $3, decided_at = $4 WHERE user_id = $1 AND from_id = $2

-- name: rows
-- Transactions by their ids, whatever became of them, with what a person wrote onto them.
SELECT transaction_id, external_id, posted_on, amount_minor, currency, pending, description, merchant, merchant_key,
    category_id, category_source, category_detail, institution_code, successor_id, removed_at, import_id, note, tags,
    part_category_ids, part_amounts_minor, part_notes, display_name, excluded_from_budgets, NULL::text[] AS stands_for
FROM transactions WHERE user_id = $1 AND transaction_id = ANY ($2::bigint[])
ORDER BY transaction_id FOR UPDATE

-- name: set_successor
-- Lets a transaction give way to another, or stand for itself again.
UPDATE transactions SET successor_id = $3, updated_at = $4 WHERE user_id = $1 AND transaction_id = $2

-- name: set_category
-- Puts a transaction into the category that another, whose place it takes, was in.
UPDATE transactions SET category_id = $3, category_source = $4, category_detail = $5, updated_at = $6
WHERE user_id = $1 AND transaction_id = $2

-- name: by_ids
-- Decisions about the rows that give way, by their ids, with both rows as their source told them.
SELECT match.from_id, match.to_id, match.kind, match.state, match.run_id, match.created_at, match.decided_at,
    gives.account_id, gives.posted_on AS from_posted_on, gives.amount_minor AS from_amount_minor,
    gives.currency AS from_currency, gives.description AS from_description, gives.pending AS from_pending,
    gives.import_id AS from_import_id, stands.posted_on AS to_posted_on, stands.amount_minor AS to_amount_minor,
    stands.currency AS to_currency, stands.description AS to_description, stands.pending AS to_pending,
    stands.import_id AS to_import_id
FROM transaction_matches AS match
JOIN transactions AS gives ON gives.user_id = match.user_id AND gives.transaction_id = match.from_id
JOIN transactions AS stands ON stands.user_id = match.user_id AND stands.transaction_id = match.to_id
WHERE match.user_id = $1 AND match.from_id = ANY ($2::bigint[])

-- name: ids_of_transactions
-- Rows that gave way to these transactions, directly or through others, or were suggested or asked to.
WITH RECURSIVE chain AS (
    SELECT asked AS asked_id, asked AS to_id, 0 AS steps FROM unnest($2::bigint[]) AS asked
    UNION ALL
    SELECT chain.asked_id, match.from_id, chain.steps + 1
    FROM chain JOIN transaction_matches AS match ON match.user_id = $1 AND match.to_id = chain.to_id
    WHERE chain.steps < $3 AND match.state = 'applied'
)
SELECT DISTINCT chain.asked_id, match.from_id
FROM chain JOIN transaction_matches AS match
    ON match.user_id = $1 AND (match.to_id = chain.to_id OR (chain.steps = 0 AND match.from_id = chain.to_id))
ORDER BY 1, 2

-- name: suggested
-- Suggestions that nobody decided on and whose rows still stand, newest first, after a row that gives way.
SELECT match.from_id FROM transaction_matches AS match
JOIN transactions AS gives ON gives.user_id = match.user_id AND gives.transaction_id = match.from_id
JOIN transactions AS stands ON stands.user_id = match.user_id AND stands.transaction_id = match.to_id
WHERE match.user_id = $1 AND match.state = 'suggested' AND match.from_id < $2
  AND gives.successor_id IS NULL AND stands.successor_id IS NULL AND stands.removed_at IS NULL
ORDER BY match.from_id DESC LIMIT $3

-- name: origins
-- Where transactions came from: the raw page with the last word on each, its run, and the file if it was one.
SELECT row.transaction_id, row.external_id, row.created_at, row.updated_at, row.object_id, row.import_id, object.run_id
FROM transactions AS row
LEFT JOIN raw_objects AS object ON object.user_id = row.user_id AND object.object_id = row.object_id
WHERE row.user_id = $1 AND row.transaction_id = ANY ($2::bigint[])
