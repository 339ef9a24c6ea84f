-- name: in_use
-- Whether anything may be archived, of anybody.
SELECT EXISTS (SELECT FROM archive_use) AS in_use

-- name: months
-- A person's months that were ever archived, of a span of days, and with any of the accounts, categories and tags asked
-- for; newest first.
SELECT month, state, object_key, digest, row_count, account_ids FROM archived_months
WHERE user_id = $1 AND month >= date_trunc('month', $2::date) AND month <= $3::date
  AND ($4::bigint[] IS NULL OR account_ids && $4)
  AND ($5::int[] IS NULL OR sum_category_ids && $5)
  AND ($6::text[] IS NULL OR tags && $6)
ORDER BY month DESC

-- name: months_of_ids
-- A person's months that may hold one of some transactions.
SELECT month, state, object_key, digest, row_count, account_ids FROM archived_months AS there
WHERE user_id = $1 AND EXISTS (
    SELECT FROM unnest($2::bigint[]) AS asked (id) WHERE asked.id BETWEEN there.first_id AND there.last_id)
ORDER BY month DESC

-- name: hold_month
-- A month of a person, locked, if it is in the object store.
SELECT month, state, object_key, digest, row_count, account_ids FROM archived_months
WHERE user_id = $1 AND month = $2 AND state = 'archived' FOR UPDATE

-- name: hold_moves
-- Says for this transaction whether rows are only moved, so that no trigger takes them for new or gone.
SELECT set_config('mintql.moving_rows', CASE WHEN $1::boolean THEN 'on' ELSE '' END, true)

-- name: insert_transactions
-- Puts transactions back.
INSERT INTO transactions
SELECT * FROM jsonb_populate_recordset(NULL::transactions, $2::jsonb -> 'transactions') AS row WHERE row.user_id = $1

-- name: insert_transfers
-- Puts transfers back.
INSERT INTO transfers
SELECT * FROM jsonb_populate_recordset(NULL::transfers, $2::jsonb -> 'transfers') AS row WHERE row.user_id = $1

-- name: insert_matches
-- Puts matches back.
INSERT INTO transaction_matches
SELECT * FROM jsonb_populate_recordset(NULL::transaction_matches, $2::jsonb -> 'matches') AS row WHERE row.user_id = $1

-- name: note_restored
-- Notes that a month is back in the database.
UPDATE archived_months SET state = 'restored', restored_at = $3 WHERE user_id = $1 AND month = $2

-- name: in_place
-- Rows of an object in place of the tables they were in; what is asked of them takes the place of the last line.
WITH RECURSIVE transactions AS (
    SELECT row.* FROM jsonb_populate_recordset(NULL::public.transactions, $1::jsonb -> 'transactions') AS row
    WHERE archive_shows(row.account_id)
), transfers AS (
    SELECT pair.* FROM jsonb_populate_recordset(NULL::public.transfers, $1::jsonb -> 'transfers') AS pair
    WHERE pair.out_id IN (SELECT transaction_id FROM transactions)
      AND pair.in_id IN (SELECT transaction_id FROM transactions)
), transaction_matches AS (
    SELECT said.* FROM jsonb_populate_recordset(NULL::public.transaction_matches, $1::jsonb -> 'matches') AS said
    WHERE current_user <> 'mintql_household'
)
SELECT count(*)::int AS rows FROM transactions
