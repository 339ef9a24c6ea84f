-- name: accounts
-- Accounts of those of these persons who have two or more.
SELECT user_id, account_id, connection_id, kind, mask
FROM (
    SELECT user_id, account_id, connection_id, kind, mask, count(*) OVER (PARTITION BY user_id) AS owned
    FROM accounts WHERE user_id = ANY ($1::bigint[])
) AS account
WHERE owned > 1

-- name: near
-- Transactions around some of these persons' that may be sides of transfers, of the same amount whichever its sign, up to
-- $3 days before and after: those of which the opposite amount is there as well, on another account. Each amount of a
-- person is looked up once.
WITH touched AS MATERIALIZED (
    SELECT row.user_id, row.currency, abs(row.amount_minor) AS size_minor,
        min(row.posted_on) - $3::int AS first_day, max(row.posted_on) + $3::int AS last_day
    FROM unnest($1::bigint[], $2::bigint[]) AS asked (user_id, transaction_id)
    -- OFFSET 0: each is looked up by its key, and each amount by its own, whatever the planner believes.
    CROSS JOIN LATERAL (
        SELECT * FROM transactions AS named
        WHERE named.user_id = asked.user_id AND named.transaction_id = asked.transaction_id
        OFFSET 0
    ) AS row
    WHERE row.successor_id IS NULL AND row.removed_at IS NULL AND row.amount_minor <> 0
      AND may_be_side(row.category_id, row.category_source, row.category_detail)
    GROUP BY 1, 2, 3
), near AS (
    SELECT row.user_id, row.transaction_id, row.external_id, row.account_id, row.posted_on, row.amount_minor,
        row.currency, row.category_id, row.category_source, row.category_detail,
        row.part_category_ids IS NOT NULL AS is_split,
        min(row.amount_minor) OVER twins < 0 AND max(row.amount_minor) OVER twins > 0
            AND min(row.account_id) OVER twins < max(row.account_id) OVER twins AS has_twin
    FROM touched
    CROSS JOIN LATERAL (
        SELECT * FROM transactions AS counted
        WHERE counted.user_id = touched.user_id
          AND counted.amount_minor = ANY (ARRAY[touched.size_minor, -touched.size_minor])
          AND counted.posted_on BETWEEN touched.first_day AND touched.last_day
          AND counted.currency = touched.currency
          AND counted.successor_id IS NULL AND counted.removed_at IS NULL
          AND may_be_side(counted.category_id, counted.category_source, counted.category_detail)
        OFFSET 0
    ) AS row
    WINDOW twins AS (PARTITION BY row.user_id, row.currency, abs(row.amount_minor))
)
SELECT user_id, transaction_id, external_id, account_id, posted_on, amount_minor, currency, category_id,
    category_source, category_detail, is_split
FROM near WHERE has_twin

-- name: of_rows
-- Transfers that have one of these transactions (person, id) as a side, with both sides as they are now.
SELECT pair.user_id, pair.transfer_id, pair.out_id, pair.in_id, pair.state, pair.out_category_id,
    pair.out_category_source, pair.out_category_detail, pair.in_category_id, pair.in_category_source,
    pair.in_category_detail, pair.created_at, pair.decided_at,
    gone.external_id AS out_external_id, gone.account_id AS out_account_id, gone.posted_on AS out_posted_on,
    gone.amount_minor AS out_amount_minor, gone.currency AS out_currency, gone.category_id AS out_now_id,
    gone.category_source AS out_now_source, gone.category_detail AS out_now_detail,
    gone.successor_id AS out_successor_id, gone.removed_at IS NOT NULL AS out_removed,
    gone.part_category_ids AS out_part_category_ids, gone.part_amounts_minor AS out_part_amounts_minor,
    come.external_id AS in_external_id, come.account_id AS in_account_id, come.posted_on AS in_posted_on,
    come.amount_minor AS in_amount_minor, come.currency AS in_currency, come.category_id AS in_now_id,
    come.category_source AS in_now_source, come.category_detail AS in_now_detail,
    come.successor_id AS in_successor_id, come.removed_at IS NOT NULL AS in_removed,
    come.part_category_ids AS in_part_category_ids, come.part_amounts_minor AS in_part_amounts_minor
FROM (
    SELECT by_out.* FROM unnest($1::bigint[], $2::bigint[]) AS asked (user_id, transaction_id)
    JOIN transfers AS by_out ON by_out.user_id = asked.user_id AND by_out.out_id = asked.transaction_id
    UNION
    SELECT by_in.* FROM unnest($1::bigint[], $2::bigint[]) AS asked (user_id, transaction_id)
    JOIN transfers AS by_in ON by_in.user_id = asked.user_id AND by_in.in_id = asked.transaction_id
) AS pair
JOIN transactions AS gone ON gone.user_id = pair.user_id AND gone.transaction_id = pair.out_id
JOIN transactions AS come ON come.user_id = pair.user_id AND come.transaction_id = pair.in_id
ORDER BY pair.user_id, pair.transfer_id

-- name: rows
-- Transactions (person, id), with what a side is judged by.
SELECT row.user_id, row.transaction_id, row.external_id, row.account_id, row.posted_on, row.amount_minor, row.currency,
    row.category_id, row.category_source, row.category_detail, row.successor_id, row.removed_at IS NOT NULL AS removed,
    row.part_category_ids, row.part_amounts_minor
FROM unnest($1::bigint[], $2::bigint[]) AS asked (user_id, transaction_id)
JOIN transactions AS row ON row.user_id = asked.user_id AND row.transaction_id = asked.transaction_id

-- name: sides_of_connection
-- Transactions of a connection, and of its files wherever they went, that are sides of transfers that are applied.
SELECT row.transaction_id
FROM transfers AS pair
JOIN transactions AS row ON row.user_id = pair.user_id AND row.transaction_id IN (pair.out_id, pair.in_id)
JOIN accounts AS account ON account.user_id = row.user_id AND account.account_id = row.account_id
LEFT JOIN file_imports AS file ON file.user_id = row.user_id AND file.import_id = row.import_id
WHERE pair.user_id = $1 AND pair.state = 'applied' AND (account.connection_id = $2 OR file.connection_id = $2)

-- name: drop
-- Forgets transfers (person, id).
DELETE FROM transfers AS pair USING unnest($1::bigint[], $2::bigint[]) AS asked (user_id, transfer_id)
WHERE pair.user_id = asked.user_id AND pair.transfer_id = asked.transfer_id

-- name: drop_suggestions
-- Forgets what is suggested of these transactions (person, id).
WITH asked AS (
    SELECT user_id, transaction_id FROM unnest($1::bigint[], $2::bigint[]) AS asked (user_id, transaction_id)
), found AS (
    SELECT pair.user_id, pair.transfer_id FROM transfers AS pair
    JOIN asked ON asked.user_id = pair.user_id AND asked.transaction_id = pair.out_id WHERE pair.state = 'suggested'
    UNION
    SELECT pair.user_id, pair.transfer_id FROM transfers AS pair
    JOIN asked ON asked.user_id = pair.user_id AND asked.transaction_id = pair.in_id WHERE pair.state = 'suggested'
)
DELETE FROM transfers AS pair USING found
WHERE pair.user_id = found.user_id AND pair.transfer_id = found.transfer_id AND pair.state = 'suggested'

-- name: put
-- Writes transfers. One of the same two transactions takes what is given, but for when it was made.
INSERT INTO transfers AS pair (user_id, out_id, in_id, state, out_category_id, out_category_source,
    out_category_detail, in_category_id, in_category_source, in_category_detail, created_at, decided_at)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::int[], $6::text[], $7::text[],
    $8::int[], $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[])
    AS said (user_id, out_id, in_id, state, out_category_id, out_category_source, out_category_detail, in_category_id,
        in_category_source, in_category_detail, created_at, decided_at)
ORDER BY user_id, out_id, in_id
ON CONFLICT (user_id, out_id, in_id) DO UPDATE SET state = excluded.state, out_category_id = excluded.out_category_id,
    out_category_source = excluded.out_category_source, out_category_detail = excluded.out_category_detail,
    in_category_id = excluded.in_category_id, in_category_source = excluded.in_category_source,
    in_category_detail = excluded.in_category_detail, decided_at = excluded.decided_at

-- name: categorize
-- Puts transactions (person, id) into categories with the reasons for them.
UPDATE transactions AS row SET category_id = said.category_id, category_source = said.category_source,
    category_detail = said.category_detail, updated_at = $6
FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::text[], $5::text[])
    AS said (user_id, transaction_id, category_id, category_source, category_detail)
WHERE row.user_id = said.user_id AND row.transaction_id = said.transaction_id

-- name: forget_lone_sides
-- Leaves those of these transactions that say that they are sides of a transfer, and are not, uncategorized ($3).
UPDATE transactions AS row SET category_id = $3, category_source = 'none', category_detail = '', updated_at = $4
WHERE row.user_id = $1 AND row.transaction_id = ANY ($2::bigint[]) AND row.category_source = 'transfer'
  AND NOT EXISTS (
      SELECT FROM transfers AS pair
      WHERE pair.user_id = $1 AND pair.state = 'applied'
        AND ((pair.out_id = row.transaction_id AND pair.in_id::text = row.category_detail)
          OR (pair.in_id = row.transaction_id AND pair.out_id::text = row.category_detail))
  )
RETURNING row.transaction_id, row.posted_on, row.successor_id IS NULL AND row.removed_at IS NULL AS counts

-- name: lock
-- The two sides of a person's transfer, locked.
SELECT out_id, in_id FROM transfers WHERE user_id = $1 AND transfer_id = $2 FOR UPDATE

-- name: by_ids
-- Transfers of a person by their ids.
SELECT transfer_id, out_id, in_id, state, created_at, decided_at FROM transfers
WHERE user_id = $1 AND transfer_id = ANY ($2::bigint[])

-- name: id_of_pair
-- The transfer of two transactions.
SELECT transfer_id FROM transfers WHERE user_id = $1 AND out_id = $2 AND in_id = $3

-- name: of_transactions
-- What is applied or suggested of these transactions.
SELECT transfer_id, out_id, in_id, state, created_at, decided_at FROM transfers
WHERE user_id = $1 AND state IN ('applied', 'suggested')
  AND (out_id = ANY ($2::bigint[]) OR in_id = ANY ($2::bigint[]))

-- name: suggested
-- Suggestions that nobody decided on and whose sides still count, newest first, with ids below one.
SELECT pair.transfer_id, pair.out_id, pair.in_id, pair.state, pair.created_at, pair.decided_at
FROM transfers AS pair
JOIN transactions AS gone ON gone.user_id = pair.user_id AND gone.transaction_id = pair.out_id
JOIN transactions AS come ON come.user_id = pair.user_id AND come.transaction_id = pair.in_id
WHERE pair.user_id = $1 AND pair.state = 'suggested' AND pair.transfer_id < $2
  AND gone.successor_id IS NULL AND gone.removed_at IS NULL
  AND come.successor_id IS NULL AND come.removed_at IS NULL
ORDER BY pair.transfer_id DESC LIMIT $3
