-- name: list_of_owner
-- What a person shares or has shared, newest first.
SELECT share_id, email, role, account_ids, budget_category_ids, state, member_id, created_at, expires_at, accepted_at,
    ended_at
FROM household_shares WHERE user_id = $1 ORDER BY share_id DESC LIMIT $2

-- name: get
-- One share of a person.
SELECT share_id, email, role, account_ids, budget_category_ids, state, member_id, created_at, expires_at, accepted_at,
    ended_at
FROM household_shares WHERE user_id = $1 AND share_id = $2

-- name: count_open
-- How many shares of a person stand or wait to be accepted.
SELECT count(*)::int AS shares FROM household_shares
WHERE user_id = $1 AND (state = 'accepted' OR (state = 'invited' AND expires_at > $2))

-- name: insert
-- Offers a share; its token is known to whom it is given.
INSERT INTO household_shares (user_id, email, role, account_ids, budget_category_ids, token_hash, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING share_id

-- name: change
-- Changes role and extent of a share that stands or waits.
UPDATE household_shares SET role = $3, account_ids = $4, budget_category_ids = $5
WHERE user_id = $1 AND share_id = $2 AND state IN ('invited', 'accepted')

-- name: revoke
-- Ends a share or takes its invitation back; returns its state before.
UPDATE household_shares AS share SET state = 'revoked', token_hash = NULL, ended_at = $3
FROM (SELECT state FROM household_shares WHERE user_id = $1 AND share_id = $2 FOR UPDATE) AS before
WHERE user_id = $1 AND share_id = $2 AND share.state IN ('invited', 'accepted') RETURNING before.state

-- name: member
-- Who has accepted a share of the current person.
SELECT name, email FROM household_member($1)

-- name: invitation
-- The invitation with this token.
SELECT user_id, share_id, email, expires_at FROM household_invitation($1)

-- name: answer
-- Accepts or declines an invitation as the current person; NULL when it holds no longer.
SELECT household_answer($1, $2, $3, $4, $5) AS share_id

-- name: memberships
-- What others share with the current person.
SELECT user_id, share_id, owner_name, owner_email, role, account_ids, budget_category_ids, accepted_at
FROM household_memberships()

-- name: leave
-- Ends a share as its member; returns whose it was.
SELECT household_leave($1, $2) AS user_id

-- name: enter
-- Goes over to the rows of the owner of a share; no row when it does not stand.
SELECT user_id, role, account_ids, budget_category_ids FROM household_enter($1)

-- name: fence
-- From here on only what is shared is seen.
SELECT set_config('role', 'mintql_household', true)

-- name: rename_category
-- Lets shares name another category in place of one that goes.
UPDATE household_shares SET budget_category_ids = array_replace(budget_category_ids, $2, $3)
WHERE user_id = $1 AND $2 = ANY (budget_category_ids)

-- name: drop_category
-- Lets shares no longer name a category that goes.
UPDATE household_shares SET budget_category_ids = array_remove(budget_category_ids, $2)
WHERE user_id = $1 AND $2 = ANY (budget_category_ids)

-- name: visible_transactions
-- How many of these transactions are seen, each by its own id or as what has succeeded it.
SELECT count(*)::int AS seen FROM transactions
WHERE user_id = $1 AND transaction_id = ANY ($2::bigint[])
