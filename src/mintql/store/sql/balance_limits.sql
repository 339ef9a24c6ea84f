-- name: limits
-- Accounts of one person that are still named by their institutions, with the limit set for each and its last dip.
SELECT account_id, name, kind, accounts.currency, balance_minor, available_minor, balance_at,
    changed_at IS NOT NULL AS is_set, limit_minor, since
FROM accounts
LEFT JOIN low_balance_limits USING (user_id, account_id)
LEFT JOIN low_balances USING (user_id, account_id)
WHERE user_id = $1 AND missing_since IS NULL
ORDER BY account_id

-- name: set_limit
-- Sets below which balance an account of one person is low; null: never.
INSERT INTO low_balance_limits (user_id, account_id, limit_minor, changed_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id, account_id) DO UPDATE
SET limit_minor = excluded.limit_minor, changed_at = excluded.changed_at

-- name: unset_limit
-- Goes back to the default for an account of one person.
DELETE FROM low_balance_limits WHERE user_id = $1 AND account_id = $2

-- name: begin_dips
-- Notes that accounts of one person are low since a moment.
INSERT INTO low_balances (user_id, account_id, since)
SELECT $1, account_id, $3 FROM unnest($2::bigint[]) AS low (account_id)
ON CONFLICT (user_id, account_id) DO NOTHING

-- name: end_dips
-- Notes that accounts of one person are low no longer.
DELETE FROM low_balances WHERE user_id = $1 AND account_id = ANY ($2::bigint[])
