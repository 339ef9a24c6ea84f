-- name: rows
-- Transactions of a person that nothing was known of, the newest first, from before an id on; of some sellers unless
-- that is NULL.
SELECT transaction_id, account_id, amount_minor, currency, description, merchant_key, institution_code
FROM transactions
WHERE user_id = $1 AND category_source = 'none' AND successor_id IS NULL AND removed_at IS NULL
  AND transaction_id < $2 AND ($3::text[] IS NULL OR merchant_key = ANY ($3))
ORDER BY transaction_id DESC LIMIT $4

-- name: write
-- Puts uncategorized transactions where they belong, each naming one of the decisions given as JSON. What a rule writes
-- onto them is written where nothing is yet.
UPDATE transactions AS row SET
    category_id = said.category_id,
    category_source = said.source,
    category_detail = said.detail,
    display_name = coalesce(row.display_name, said.display_name),
    excluded_from_budgets = coalesce(row.excluded_from_budgets, said.excluded_from_budgets),
    tags = merged_tags(row.tags, said.tags),
    updated_at = $5
FROM unnest($2::bigint[], $3::int[]) AS line (transaction_id, number)
JOIN jsonb_to_recordset($4::jsonb) AS said (number int, category_id int, source text, detail text, display_name text,
    excluded_from_budgets boolean, tags text[]) USING (number)
WHERE row.user_id = $1 AND row.transaction_id = line.transaction_id AND row.category_source = 'none'
RETURNING row.transaction_id, row.posted_on

-- name: users
-- Persons that have uncategorized transactions, by id, from after one on.
SELECT user_id FROM users
WHERE user_id > $1 AND EXISTS (
    SELECT FROM transactions AS row
    WHERE row.user_id = users.user_id AND row.category_source = 'none' AND row.successor_id IS NULL
      AND row.removed_at IS NULL)
ORDER BY user_id LIMIT $2

-- name: highest_user
-- The highest id that a person has.
SELECT coalesce(max(user_id), 0)::bigint FROM users
