-- name: plan
-- Income, stated or else detected, and currency of a person: the basis of the template.
SELECT coalesce(annual_income_minor, detected_income_minor) AS annual_income_minor, currency, template_revision,
    annual_income_minor IS NULL AND detected_income_minor IS NOT NULL AS income_detected, time_zone
FROM users WHERE user_id = $1

-- name: detected_income
-- What was detected and what was stated about a person's income.
SELECT detected_income_minor, annual_income_minor FROM users WHERE user_id = $1

-- name: note_detected_income
-- Writes what paychecks say about a person's yearly income.
UPDATE users SET detected_income_minor = $2, detected_income_at = $3, template_revision = coalesce($4, template_revision)
WHERE user_id = $1

-- name: overrides_until
-- Overrides that can hold in a month: its own, and the latest recurring one of each category up to it.
SELECT category_id, month, recurring, limit_minor, currency, thresholds, revision
FROM budget_overrides WHERE user_id = $1 AND month = $2 AND NOT recurring
UNION ALL (
    SELECT DISTINCT ON (category_id) category_id, month, recurring, limit_minor, currency, thresholds, revision
    FROM budget_overrides WHERE user_id = $1 AND month <= $2 AND recurring
    ORDER BY category_id, month DESC
)

-- name: overrides_of
-- All overrides of one category, oldest month first.
SELECT category_id, month, recurring, limit_minor, currency, thresholds, revision
FROM budget_overrides WHERE user_id = $1 AND category_id = $2
ORDER BY month, recurring

-- name: take_revision
-- Raises the person's budget revision; returns it.
UPDATE user_counters SET budget_revision = budget_revision + 1 WHERE user_id = $1 RETURNING budget_revision

-- name: put
-- Writes one override in place of the one that was there.
INSERT INTO budget_overrides AS override (user_id, category_id, month, recurring, limit_minor, currency,
    thresholds, revision, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (user_id, category_id, month, recurring) DO UPDATE SET limit_minor = excluded.limit_minor,
    currency = excluded.currency, thresholds = excluded.thresholds, revision = excluded.revision,
    updated_at = excluded.updated_at

-- name: remove
-- Removes overrides by category, month and recurrence.
DELETE FROM budget_overrides AS override
USING unnest($2::int[], $3::date[], $4::boolean[]) AS gone (category_id, month, recurring)
WHERE override.user_id = $1 AND override.category_id = gone.category_id AND override.month = gone.month
  AND override.recurring = gone.recurring
