-- name: runs
-- A person's attempts at runs whose pages were ingested, in the order that happened.
SELECT run.run_id, run.connection_id, object.attempt, run.ingest_attempt, run.reason, link.institution_id,
    run.window_first, run.window_last, run.import_id, run.whole, max(object.ingested_at) AS ingested_at
FROM sync_runs AS run
JOIN connections AS link ON link.user_id = run.user_id AND link.connection_id = run.connection_id
JOIN raw_objects AS object
    ON object.user_id = run.user_id AND object.run_id = run.run_id AND object.state IN ('ingested', 'dead')
WHERE run.user_id = $1 AND object.ingested_at IS NOT NULL AND NOT EXISTS (
    SELECT FROM file_imports AS file
    WHERE file.user_id = run.user_id AND file.import_id = run.import_id AND file.state = 'undone'
)
GROUP BY run.user_id, run.run_id, object.attempt, link.institution_id
ORDER BY max(object.ingested_at), run.run_id, object.attempt

-- name: pages
-- The pages of one attempt at a run that were ingested.
SELECT user_id, run_id, object_id, page, object_key, sha256, state FROM raw_objects
WHERE user_id = $1 AND run_id = $2 AND attempt = $3 AND state IN ('ingested', 'dead')
ORDER BY page

-- name: rows
-- All of a person's transactions as stored, superseded and removed ones too, but those of imports that were undone.
SELECT row.account_id, row.transaction_id, row.external_id, row.posted_on, row.amount_minor, row.currency, row.pending,
    row.description, row.merchant, row.merchant_key, row.category_id, row.category_source, row.category_detail,
    row.institution_code, row.successor_id, row.removed_at, row.import_id, row.note, row.tags, row.part_category_ids,
    row.part_amounts_minor, row.part_notes, row.display_name, row.excluded_from_budgets, NULL::text[] AS stands_for
FROM transactions AS row
WHERE row.user_id = $1 AND NOT EXISTS (
    SELECT FROM file_imports AS file
    WHERE file.user_id = row.user_id AND file.import_id = row.import_id AND file.state = 'undone'
)

-- name: accounts
-- A person's accounts, with every id their institution has known them by.
SELECT account_id, connection_id, former_external_ids || external_id AS external_ids FROM accounts WHERE user_id = $1

-- name: decisions
-- What the person decided about which row stands for which, in that order.
SELECT from_id, to_id, state, decided_at FROM transaction_matches WHERE user_id = $1 AND decided_at IS NOT NULL
ORDER BY decided_at, from_id

-- name: sums
-- All of a person's stored sums that are not nought.
SELECT month, category_id, currency, posted_minor, pending_minor, posted_count, pending_count, excluded_posted_minor,
    excluded_pending_minor
FROM monthly_spending
WHERE user_id = $1 AND (posted_count <> 0 OR pending_count <> 0 OR posted_minor <> 0 OR pending_minor <> 0
    OR excluded_posted_minor <> 0 OR excluded_pending_minor <> 0)
