-- name: csv_rows
-- Transactions that count, newest first, with what a person calls their accounts.
SELECT one.transaction_id, one.posted_on, one.amount_minor, one.currency, one.pending, one.category_id,
    one.category_source, one.description, one.merchant, one.display_name, one.note, one.tags,
    one.excluded_from_budgets, one.part_category_ids, one.part_amounts_minor, one.part_notes, account.name AS account,
    account.kind AS account_kind, account.mask, link.institution_id
FROM transactions AS one
JOIN accounts AS account ON account.user_id = one.user_id AND account.account_id = one.account_id
JOIN connections AS link ON link.user_id = account.user_id AND link.connection_id = account.connection_id
WHERE one.user_id = $1 AND one.successor_id IS NULL AND one.removed_at IS NULL
ORDER BY one.posted_on DESC, one.transaction_id DESC

-- name: statements
-- Accounts by the currencies of their posted transactions, with the days those cover; cards or all others.
SELECT account.account_id, account.kind, account.mask, link.institution_id, posted.currency, posted.first_day,
    posted.last_day, CASE WHEN account.currency = posted.currency THEN account.balance_minor END AS balance_minor,
    account.balance_at
FROM accounts AS account
JOIN connections AS link ON link.user_id = account.user_id AND link.connection_id = account.connection_id
CROSS JOIN LATERAL (
    SELECT one.currency, min(one.posted_on) AS first_day, max(one.posted_on) AS last_day
    FROM transactions AS one
    WHERE one.user_id = account.user_id AND one.account_id = account.account_id AND NOT one.pending
      AND one.successor_id IS NULL AND one.removed_at IS NULL
    GROUP BY one.currency
) AS posted
WHERE account.user_id = $1 AND (account.kind = 'credit_card') = $2
ORDER BY account.account_id, posted.currency

-- name: statement_rows
-- Posted transactions of an account in one currency, oldest first.
SELECT external_id, posted_on, amount_minor, currency, description, note FROM transactions
WHERE user_id = $1 AND account_id = $2 AND currency = $3 AND NOT pending
  AND successor_id IS NULL AND removed_at IS NULL
ORDER BY posted_on, transaction_id
