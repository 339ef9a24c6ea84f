-- name: of_users
-- What these persons say of categories.
SELECT user_id, category_id, parent_id, name, kind, icon, hidden, merged_into, gone FROM personal_categories
WHERE user_id = ANY ($1::bigint[]) ORDER BY user_id, category_id

-- name: put
-- Writes what a person says of one category.
INSERT INTO personal_categories (user_id, category_id, parent_id, name, kind, icon, hidden, merged_into, gone)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (user_id, category_id) DO UPDATE SET parent_id = excluded.parent_id, name = excluded.name,
    icon = excluded.icon, hidden = excluded.hidden, merged_into = excluded.merged_into, gone = excluded.gone

-- name: forget
-- Forgets what a person says of a standard category: it is as for everybody.
DELETE FROM personal_categories WHERE user_id = $1 AND category_id = $2

-- name: lead_on
-- Lets what was merged into a category that goes be merged into the one that takes its place, or into none.
UPDATE personal_categories SET merged_into = $3 WHERE user_id = $1 AND merged_into = $2

-- name: holdings
-- How much of each sort is in a category: transactions and parts that count, remembered sellers, limits.
SELECT
    (SELECT count(*)::int FROM transactions WHERE user_id = $1 AND category_id = $2
        AND successor_id IS NULL AND removed_at IS NULL) AS transactions,
    (SELECT count(*)::int FROM transactions CROSS JOIN LATERAL unnest(part_category_ids) AS part (category_id)
        WHERE user_id = $1 AND part_category_ids IS NOT NULL AND successor_id IS NULL AND removed_at IS NULL
          AND part.category_id = $2) AS parts,
    (SELECT count(*)::int FROM seller_memories WHERE user_id = $1 AND category_id = $2) AS sellers,
    (SELECT count(*)::int FROM budget_overrides WHERE user_id = $1 AND category_id = $2) AS budgets

-- name: move_transactions
-- Puts what is in one category into another, also with parts of splits and what does not count now; the reason stays,
-- but for what no person chose and goes to Uncategorized ($5). Returns those that count: how many, up to $6 of their
-- ids, newest first, and their months.
WITH moved AS (
    UPDATE transactions SET
        category_id = CASE WHEN category_id = $2 THEN $3 ELSE category_id END,
        category_source = CASE WHEN category_id = $2 AND $3 = $5 AND category_source <> 'manual' THEN 'none'
            ELSE category_source END,
        category_detail = CASE WHEN category_id = $2 AND $3 = $5 THEN '' ELSE category_detail END,
        part_category_ids = array_replace(part_category_ids, $2, $3),
        updated_at = $4
    WHERE user_id = $1 AND (category_id = $2 OR $2 = ANY (part_category_ids))
    RETURNING transaction_id, posted_on, successor_id IS NULL AND removed_at IS NULL AS counts
)
SELECT count(*)::int AS transactions,
    coalesce((array_agg(transaction_id ORDER BY posted_on DESC, transaction_id DESC))[:$6], '{}') AS transaction_ids,
    coalesce(array_agg(DISTINCT date_trunc('month', posted_on)::date), '{}') AS months
FROM moved WHERE counts

-- name: move_sellers
-- Lets sellers that were remembered for one category be remembered for another.
UPDATE seller_memories SET category_id = $3 WHERE user_id = $1 AND category_id = $2 RETURNING merchant_key

-- name: forget_sellers
-- Forgets the sellers that were remembered for a category.
DELETE FROM seller_memories WHERE user_id = $1 AND category_id = $2 RETURNING merchant_key
