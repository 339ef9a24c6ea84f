-- Everything of a person, one query for each part of the export, one JSON text for each row. What is left out of a
-- row is of no meaning to anybody else (whose it is, how work is carried) or a secret.

-- name: profile
-- What the person said of themselves.
SELECT (to_jsonb(one) - '{user_id,password_hash}'::text[])::text AS line FROM users AS one
WHERE one.user_id = $1 ORDER BY one.user_id

-- name: linked_identities
-- Identities at providers.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM linked_identities AS one
WHERE user_id = $1 ORDER BY identity_id

-- name: sessions
-- Sessions, without their tokens.
SELECT (to_jsonb(one) - '{user_id,token_hash}'::text[])::text AS line FROM sessions AS one
WHERE one.user_id = $1 ORDER BY one.session_id

-- name: audit_log
-- Security-relevant acts.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM audit_entries AS one
WHERE one.user_id = $1 ORDER BY one.entry_id

-- name: connections
-- Connections to institutions, without logins.
SELECT (to_jsonb(one) - '{user_id,login_key,webhook_key,sync_cursor}'::text[])::text AS line FROM connections AS one
WHERE one.user_id = $1 ORDER BY one.connection_id

-- name: accounts
-- Accounts with their balances.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM accounts AS one
WHERE one.user_id = $1 ORDER BY one.account_id

-- name: runs
-- Runs that fetched from institutions.
SELECT (to_jsonb(one) - '{user_id,lease_until,carried_until,carries,next_cursor}'::text[])::text AS line FROM sync_runs AS one
WHERE one.user_id = $1 ORDER BY one.run_id

-- name: unreadable_rows
-- Rows of institutions and files that could not be read.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM quarantined_rows AS one
WHERE one.user_id = $1 ORDER BY one.object_id, one.position

-- name: imports
-- Files that were imported.
SELECT (to_jsonb(one) - '{user_id,object_key}'::text[])::text AS line FROM file_imports AS one
WHERE one.user_id = $1 ORDER BY one.import_id

-- name: import_profiles
-- How files were read.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM file_profiles AS one
WHERE one.user_id = $1 ORDER BY one.signature

-- name: transactions
-- Transactions, those among them that were taken back or gave way to others.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM transactions AS one
WHERE one.user_id = $1 ORDER BY one.transaction_id

-- name: matches
-- Which transactions stand for which.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM transaction_matches AS one
WHERE one.user_id = $1 ORDER BY one.from_id

-- name: transfers
-- Transfers between own accounts.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM transfers AS one
WHERE one.user_id = $1 ORDER BY one.transfer_id

-- name: own_categories
-- What the person says of categories.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM personal_categories AS one
WHERE one.user_id = $1 ORDER BY one.category_id

-- name: choices
-- Categories chosen by hand.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM category_choices AS one
WHERE one.user_id = $1 ORDER BY one.transaction_id

-- name: seller_memories
-- What was chosen for sellers.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM seller_memories AS one
WHERE one.user_id = $1 ORDER BY one.merchant_key

-- name: seller_votes
-- What counts as a vote among everybody's.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM seller_votes AS one
WHERE one.user_id = $1 ORDER BY one.merchant_key

-- name: rules
-- Rules of the person's own.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM rules AS one
WHERE one.user_id = $1 ORDER BY one.rule_id

-- name: rule_applications
-- Applications of rules to the past.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM rule_applications AS one
WHERE one.user_id = $1 ORDER BY one.application_id

-- name: rule_changes
-- What those changed.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM rule_changes AS one
WHERE one.user_id = $1 ORDER BY one.application_id, one.transaction_id

-- name: budgets
-- Limits that the person set.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM budget_overrides AS one
WHERE one.user_id = $1 ORDER BY one.category_id, one.currency, one.since, one.recurring

-- name: alerts
-- Alerts of budgets.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM alerts AS one
WHERE one.user_id = $1 ORDER BY one.alert_id

-- name: notifications
-- What the person was told.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM notifications AS one
WHERE one.user_id = $1 ORDER BY one.notification_id

-- name: notification_settings
-- Kinds of notifications switched on or off.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM notification_settings AS one
WHERE one.user_id = $1 ORDER BY one.kind, one.channel

-- name: notification_preferences
-- Quiet hours, and from which amount on something is large.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM notification_preferences AS one
WHERE one.user_id = $1 ORDER BY one.user_id

-- name: low_balance_limits
-- Below which balance accounts are low.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM low_balance_limits AS one
WHERE one.user_id = $1 ORDER BY one.account_id

-- name: low_balances
-- Accounts that are low.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM low_balances AS one
WHERE one.user_id = $1 ORDER BY one.account_id

-- name: recurring
-- What recurs, found or marked.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM recurring_series AS one
WHERE one.user_id = $1 ORDER BY one.recurring_id

-- name: recurring_looks
-- When transactions were first looked through for that, and the income found there.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM recurring_looks AS one
WHERE one.user_id = $1 ORDER BY one.user_id

-- name: household_shares
-- What others were let see.
SELECT (to_jsonb(one) - '{user_id,token_hash,member_id}'::text[])::text AS line FROM household_shares AS one
WHERE one.user_id = $1 ORDER BY one.share_id

-- name: manual_rates
-- Exchange rates of one's own.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM manual_rates AS one
WHERE one.user_id = $1 ORDER BY one.currency, one.quote, one.on_date

-- name: account_balances
-- What accounts held, on days on which that changed.
SELECT (to_jsonb(one) - '{user_id}'::text[])::text AS line FROM account_balances AS one
WHERE one.user_id = $1 ORDER BY one.account_id, one.on_date

-- name: webhook_endpoints
-- Servers of the person's own that are told what happens.
SELECT (to_jsonb(one) - '{user_id,due_at,leased_until}'::text[])::text AS line FROM webhook_endpoints AS one
WHERE one.user_id = $1 ORDER BY one.endpoint_id
