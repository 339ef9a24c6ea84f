-- name: plan
-- What a person told about income and currency, the basis of the template.
SELECT annual_income_minor, currency, template_revision, time_zone FROM users WHERE user_id = $1

-- name: overrides_until
-- Overrides that can hold in a month: its own, and the latest recurring one of each category up to it.
SELECT category_id, month, recurring, limit_minor, currency, thresholds, revision
FROM budget_overrides WHERE user_id = $1 AND month = $2 AND NOT recurring
UNION ALL (
    SELECT DISTINCT ON (category_id) category_id, month, recurring, limit_minor, currency, thresholds, revision
    FROM budget_overrides WHERE user_id = $1 AND month <= $2 AND recurring
    ORDER BY category_id, month DESC
)

-- name: take_revision
-- Raises the person's budget revision; returns it.
UPDATE user_counters SET budget_revision = budget_revision + 1 WHERE user_id = $1 RETURNING budget_revision

-- name: put_override
-- Writes one override in place of the one that was there.
INSERT INTO budget_overrides AS override (user_id, category_id, month, recurring, limit_minor, currency,
    thresholds, revision, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (user_id, category_id, month, recurring) DO UPDATE SET limit_minor = excluded.limit_minor,
    currency = excluded.currency, thresholds = excluded.thresholds, revision = excluded.revision,
    updated_at = excluded.updated_at

-- name: remove_of_month
-- Removes the override of one month alone; returns its month where there was one.
DELETE FROM budget_overrides WHERE user_id = $1 AND category_id = $2 AND month = $3 AND NOT recurring
RETURNING month

-- name: remove_recurring_from
-- Removes the recurring overrides of a category that begin in a month or later; returns their months.
DELETE FROM budget_overrides WHERE user_id = $1 AND category_id = $2 AND month >= $3 AND recurring
RETURNING month
