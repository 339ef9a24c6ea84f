-- name: of_users
-- The rules of these persons in their order.
SELECT user_id, rule_id, position, name, enabled, merchant_key, text_contains, text_key, amount_min_minor,
    amount_max_minor, currency, account_ids, direction, category_id, display_name, tags, excluded_from_budgets
FROM rules WHERE user_id = ANY ($1::bigint[]) ORDER BY user_id, position, rule_id

-- name: add
-- Writes a new rule; returns its id.
INSERT INTO rules (user_id, position, name, enabled, merchant_key, text_contains, text_key, amount_min_minor,
    amount_max_minor, currency, account_ids, direction, category_id, display_name, tags, excluded_from_budgets,
    created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17)
RETURNING rule_id

-- name: change
-- Writes a rule anew; its place stays.
UPDATE rules SET name = $3, enabled = $4, merchant_key = $5, text_contains = $6, text_key = $7, amount_min_minor = $8,
    amount_max_minor = $9, currency = $10, account_ids = $11, direction = $12, category_id = $13, display_name = $14,
    tags = $15, excluded_from_budgets = $16, updated_at = $17
WHERE user_id = $1 AND rule_id = $2

-- name: remove
-- Deletes a rule.
DELETE FROM rules WHERE user_id = $1 AND rule_id = $2

-- name: place
-- Gives rules places in the order of their ids as they are listed.
UPDATE rules AS rule SET position = said.position
FROM unnest($2::bigint[]) WITH ORDINALITY AS said (rule_id, position)
WHERE rule.user_id = $1 AND rule.rule_id = said.rule_id AND rule.position <> said.position

-- name: accounts_of
-- Which of these accounts are the person's.
SELECT account_id FROM accounts WHERE user_id = $1 AND account_id = ANY ($2::bigint[])

-- name: move_category
-- Lets rules and what their applications changed name another category in place of one that goes. With Uncategorized
-- ($4) a rule sets no category any more; one that sets nothing else rests.
WITH changed AS (
    UPDATE rule_changes SET
        category_id_before = CASE category_id_before WHEN $2 THEN $3 ELSE category_id_before END,
        category_source_before = CASE WHEN category_id_before = $2 AND $3 = $4 AND category_source_before <> 'manual'
            THEN 'none' ELSE category_source_before END,
        category_id_after = CASE category_id_after WHEN $2 THEN $3 ELSE category_id_after END
    WHERE user_id = $1 AND (category_id_before = $2 OR category_id_after = $2)
)
UPDATE rules SET
    category_id = CASE WHEN $3 = $4 AND num_nonnulls(display_name, tags, excluded_from_budgets) > 0 THEN NULL
        ELSE $3 END,
    enabled = enabled AND ($3 <> $4 OR num_nonnulls(display_name, tags, excluded_from_budgets) > 0)
WHERE user_id = $1 AND category_id = $2
