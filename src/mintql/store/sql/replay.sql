-- name: runs
-- A person's runs whose pages were ingested, in the order that happened.
SELECT run.run_id, run.connection_id, run.attempt, run.ingest_attempt, run.reason, link.institution_id,
    run.window_first, run.window_last, max(object.ingested_at) AS ingested_at
FROM sync_runs AS run
JOIN connections AS link ON link.user_id = run.user_id AND link.connection_id = run.connection_id
JOIN raw_objects AS object
    ON object.user_id = run.user_id AND object.run_id = run.run_id AND object.state IN ('ingested', 'dead')
WHERE run.user_id = $1
GROUP BY run.user_id, run.run_id, link.institution_id
ORDER BY max(object.ingested_at), run.run_id

-- name: pages
-- The pages of one run that were ingested, attempt by attempt.
SELECT user_id, run_id, object_id, page, object_key, sha256, state, attempt FROM raw_objects
WHERE user_id = $1 AND run_id = $2 AND state IN ('ingested', 'dead')
ORDER BY attempt, page

-- name: rows
-- All of a person's transactions as stored, superseded and removed ones too.
SELECT account.connection_id, account.external_id AS account_external_id, row.transaction_id, row.external_id,
    row.posted_on, row.amount_minor, row.currency, row.pending, row.description, row.merchant, row.merchant_key,
    row.category_id, row.category_source, row.category_detail, row.successor_id, row.removed_at
FROM transactions AS row
JOIN accounts AS account ON account.user_id = row.user_id AND account.account_id = row.account_id
WHERE row.user_id = $1

-- name: sums
-- All of a person's stored sums that are not nought.
SELECT month, category_id, currency, posted_minor, pending_minor, posted_count, pending_count
FROM monthly_spending
WHERE user_id = $1 AND (posted_count <> 0 OR pending_count <> 0 OR posted_minor <> 0 OR pending_minor <> 0)
