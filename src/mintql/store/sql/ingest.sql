-- name: upsert_accounts
-- Writes accounts as the institution describes them now; rows that say nothing new are not written.
INSERT INTO accounts AS account (user_id, connection_id, external_id, name, kind, mask, currency,
    balance_minor, available_minor, balance_at)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::bigint[], $9::bigint[], $10::timestamptz[])
    AS said (user_id, connection_id, external_id, name, kind, mask, currency, balance_minor, available_minor,
        balance_at)
ORDER BY user_id, connection_id, external_id
ON CONFLICT (user_id, connection_id, external_id) DO UPDATE SET
    name = excluded.name, kind = excluded.kind, mask = excluded.mask, currency = excluded.currency,
    balance_minor = excluded.balance_minor,
    available_minor = excluded.available_minor, balance_at = excluded.balance_at
WHERE (account.name, account.kind, account.mask, account.currency, account.balance_minor, account.available_minor,
        account.balance_at)
    IS DISTINCT FROM (excluded.name, excluded.kind, excluded.mask, excluded.currency, excluded.balance_minor,
        excluded.available_minor, excluded.balance_at)

-- name: open_account_sync
-- Makes sure that each account of these connections has its sync row.
INSERT INTO account_sync (user_id, account_id)
SELECT account.user_id, account.account_id FROM accounts AS account
JOIN unnest($1::bigint[], $2::bigint[]) AS asked (user_id, connection_id)
    ON asked.user_id = account.user_id AND asked.connection_id = account.connection_id
WHERE NOT EXISTS (
    SELECT FROM account_sync AS sync WHERE sync.user_id = account.user_id AND sync.account_id = account.account_id
)
ON CONFLICT DO NOTHING

-- name: lock_seen
-- Accounts of these connections with what of their rows is known, locked in order; new ones are of this transaction.
SELECT account.user_id, account.connection_id, account.external_id, account.account_id, sync.seen,
    account.created_at = now() AS is_new
FROM accounts AS account
JOIN unnest($1::bigint[], $2::bigint[]) AS asked (user_id, connection_id)
    ON asked.user_id = account.user_id AND asked.connection_id = account.connection_id
JOIN account_sync AS sync ON sync.user_id = account.user_id AND sync.account_id = account.account_id
ORDER BY account.user_id, account.account_id
FOR UPDATE OF sync

-- name: read_seen
-- Accounts of these connections with what of their rows is known, as it stands, without a lock.
SELECT account.user_id, account.connection_id, account.external_id, account.account_id, sync.seen, false AS is_new
FROM accounts AS account
JOIN unnest($1::bigint[], $2::bigint[]) AS asked (user_id, connection_id)
    ON asked.user_id = account.user_id AND asked.connection_id = account.connection_id
JOIN account_sync AS sync ON sync.user_id = account.user_id AND sync.account_id = account.account_id

-- name: note_missing
-- Notes since when accounts of these connections are not named any more, or that they are again.
WITH named AS (
    SELECT account.user_id, account.account_id, EXISTS (
        SELECT FROM unnest($3::bigint[], $4::bigint[], $5::text[]) AS said (user_id, connection_id, external_id)
        WHERE said.user_id = account.user_id AND said.connection_id = account.connection_id
          AND said.external_id = account.external_id
    ) AS is_named
    FROM accounts AS account
    JOIN unnest($1::bigint[], $2::bigint[]) AS asked (user_id, connection_id)
        ON asked.user_id = account.user_id AND asked.connection_id = account.connection_id
)
UPDATE accounts AS account SET missing_since = CASE WHEN NOT named.is_named THEN $6::timestamptz END
FROM named
WHERE account.user_id = named.user_id AND account.account_id = named.account_id
  AND (account.missing_since IS NOT NULL) = named.is_named

-- name: write_seen
-- Replaces the packed lists of known rows.
UPDATE account_sync AS sync SET seen = said.seen
FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS said (user_id, account_id, seen)
WHERE sync.user_id = said.user_id AND sync.account_id = said.account_id AND sync.seen <> said.seen

-- name: take_ids
-- First numbers of so many blocks of transaction ids, 1000 to a block.
SELECT nextval('transaction_ids') AS first FROM generate_series(1, $1::int)

-- name: stored_pending
-- Pending rows that count, of these accounts.
SELECT user_id, account_id, transaction_id, external_id, posted_on, amount_minor, currency, pending, description,
    merchant, merchant_key, category_id, category_source, category_detail, successor_id, removed_at
FROM transactions JOIN unnest($1::bigint[], $2::bigint[]) AS asked (user_id, account_id) USING (user_id, account_id)
WHERE pending AND successor_id IS NULL AND removed_at IS NULL

-- name: stored_rows
-- Rows of these accounts with these external ids.
SELECT user_id, account_id, transaction_id, external_id, posted_on, amount_minor, currency, pending, description,
    merchant, merchant_key, category_id, category_source, category_detail, successor_id, removed_at
FROM transactions
JOIN unnest($1::bigint[], $2::bigint[], $3::text[]) AS asked (user_id, account_id, external_id)
    USING (user_id, account_id, external_id)

-- name: merchant_rules
-- What these persons said of these sellers.
SELECT user_id, merchant_key, category_id FROM merchant_rules
WHERE user_id = ANY ($1::bigint[]) AND merchant_key = ANY ($2::text[])

-- name: change_rows
-- Writes changed rows; the category as well, where the row had none.
UPDATE transactions AS row SET posted_on = said.posted_on, amount_minor = said.amount_minor,
    currency = said.currency, pending = said.pending, description = said.description, merchant = said.merchant,
    merchant_key = said.merchant_key, category_id = said.category_id, category_source = said.category_source,
    category_detail = said.category_detail, successor_id = NULL, removed_at = NULL, updated_at = $13
FROM unnest($1::bigint[], $2::bigint[], $3::date[], $4::bigint[], $5::text[], $6::boolean[], $7::text[],
    $8::text[], $9::text[], $10::int[], $11::text[], $12::text[])
    AS said (user_id, transaction_id, posted_on, amount_minor, currency, pending, description, merchant,
        merchant_key, category_id, category_source, category_detail)
WHERE row.user_id = said.user_id AND row.transaction_id = said.transaction_id

-- name: supersede_rows
-- Points pending rows to their posted successors; they count no more.
UPDATE transactions AS row SET successor_id = said.successor_id, updated_at = $4
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS said (user_id, transaction_id, successor_id)
WHERE row.user_id = said.user_id AND row.transaction_id = said.transaction_id

-- name: remove_rows
-- Marks rows as taken back by the institution; they count no more.
UPDATE transactions AS row SET removed_at = $3, updated_at = $3
FROM unnest($1::bigint[], $2::bigint[]) AS said (user_id, transaction_id)
WHERE row.user_id = said.user_id AND row.transaction_id = said.transaction_id
