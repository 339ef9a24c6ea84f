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
-- Lets what was merged into a category that goes be merged into the one that takes its place.
UPDATE personal_categories SET merged_into = $3 WHERE user_id = $1 AND merged_into = $2
