-- name: list_by_user
-- Accounts of one person whose connection still stands, oldest first.
SELECT account.account_id, account.connection_id, account.name, account.kind, account.mask, account.currency,
    account.balance_minor, account.available_minor, account.balance_at, account.created_at,
    account.missing_since, account.error_code, account.error_message, account.error_action, account.failing_since
FROM accounts AS account
JOIN connections AS link ON link.user_id = account.user_id AND link.connection_id = account.connection_id
WHERE account.user_id = $1 AND link.status <> 'disconnected'
ORDER BY account.account_id

-- name: list_by_ids
-- Accounts by id, those of ended connections too: their transactions are still there.
SELECT account_id, connection_id, name, kind, mask, currency, balance_minor, available_minor, balance_at, created_at,
    missing_since, error_code, error_message, error_action, failing_since
FROM accounts WHERE user_id = $1 AND account_id = ANY ($2::bigint[])

-- name: list_by_connections
-- Accounts of some connections, oldest first.
SELECT account_id, connection_id, name, kind, mask, currency, balance_minor, available_minor, balance_at, created_at,
    missing_since, error_code, error_message, error_action, failing_since
FROM accounts WHERE user_id = $1 AND connection_id = ANY ($2::bigint[])
ORDER BY account_id
