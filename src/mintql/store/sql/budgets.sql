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

-- name: overrides_of
-- All overrides of one category in all its currencies, oldest first.
SELECT category_id, since, recurring, limit_minor, currency, thresholds, revision, period_unit, period_every,
    period_anchor, carry_surplus, carry_overspend
FROM budget_overrides WHERE user_id = $1 AND category_id = $2
ORDER BY since, recurring, currency

-- name: overrides_by_users
-- Everything these persons have changed about their budgets.
SELECT user_id, category_id, since, recurring, limit_minor, currency, thresholds, revision, period_unit, period_every,
    period_anchor, carry_surplus, carry_overspend
FROM budget_overrides WHERE user_id = ANY ($1::bigint[])

-- name: take_revision
-- Raises the person's budget revision; returns it.
UPDATE user_counters SET budget_revision = budget_revision + 1 WHERE user_id = $1 RETURNING budget_revision

-- name: put
-- Writes one override in place of the one that was there.
INSERT INTO budget_overrides AS override (user_id, category_id, since, recurring, limit_minor, currency,
    thresholds, revision, period_unit, period_every, period_anchor, carry_surplus, carry_overspend, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (user_id, category_id, currency, since, recurring) DO UPDATE SET limit_minor = excluded.limit_minor,
    thresholds = excluded.thresholds, revision = excluded.revision, period_unit = excluded.period_unit,
    period_every = excluded.period_every, period_anchor = excluded.period_anchor,
    carry_surplus = excluded.carry_surplus, carry_overspend = excluded.carry_overspend,
    updated_at = excluded.updated_at

-- name: remove
-- Removes overrides by category, currency, day and recurrence.
DELETE FROM budget_overrides AS override
USING unnest($2::int[], $3::text[], $4::date[], $5::boolean[]) AS gone (category_id, currency, since, recurring)
WHERE override.user_id = $1 AND override.category_id = gone.category_id AND override.currency = gone.currency
  AND override.since = gone.since AND override.recurring = gone.recurring

-- name: sums_by_months
-- Signed sums of these (person, whole calendar months), from the sums by month.
SELECT asked.place::int AS place, sums.category_id, sums.currency, sum(sums.posted_minor)::bigint AS posted_minor,
    sum(sums.pending_minor)::bigint AS pending_minor, sum(sums.posted_count)::int AS posted_count,
    sum(sums.pending_count)::int AS pending_count, sum(sums.excluded_posted_minor)::bigint AS excluded_posted_minor,
    sum(sums.excluded_pending_minor)::bigint AS excluded_pending_minor
FROM unnest($1::bigint[], $2::date[], $3::date[]) WITH ORDINALITY AS asked (user_id, first, last, place)
JOIN monthly_spending AS sums
    ON sums.user_id = asked.user_id AND sums.month BETWEEN asked.first AND asked.last
GROUP BY asked.place, sums.category_id, sums.currency

-- name: sums_by_days
-- Signed sums of these (person, first day, last day), from the transactions that count and their parts.
SELECT asked.place::int AS place, counted.category_id, counted.currency,
    coalesce(sum(counted.amount_minor) FILTER (WHERE NOT counted.pending), 0)::bigint AS posted_minor,
    coalesce(sum(counted.amount_minor) FILTER (WHERE counted.pending), 0)::bigint AS pending_minor,
    count(*) FILTER (WHERE NOT counted.pending)::int AS posted_count,
    count(*) FILTER (WHERE counted.pending)::int AS pending_count,
    0::bigint AS excluded_posted_minor, 0::bigint AS excluded_pending_minor
FROM unnest($1::bigint[], $2::date[], $3::date[]) WITH ORDINALITY AS asked (user_id, first, last, place)
CROSS JOIN LATERAL (
    SELECT row.category_id, row.currency, row.pending, CASE WHEN row.part_category_ids IS NULL THEN row.amount_minor
        ELSE row.amount_minor - sum_minor(row.part_amounts_minor) END AS amount_minor
    FROM transactions AS row
    WHERE row.user_id = asked.user_id AND row.posted_on BETWEEN asked.first AND asked.last
      AND row.successor_id IS NULL AND row.removed_at IS NULL AND row.excluded_from_budgets IS NOT TRUE
    UNION ALL
    SELECT part.category_id, row.currency, row.pending, part.amount_minor
    FROM transactions AS row
    CROSS JOIN LATERAL unnest(row.part_category_ids, row.part_amounts_minor) AS part (category_id, amount_minor)
    WHERE row.user_id = asked.user_id AND row.posted_on BETWEEN asked.first AND asked.last
      AND row.part_category_ids IS NOT NULL
      AND row.successor_id IS NULL AND row.removed_at IS NULL AND row.excluded_from_budgets IS NOT TRUE
) AS counted
GROUP BY asked.place, counted.category_id, counted.currency

-- name: daily_spending
-- What a person spent by day and currency in the categories $5, beside what recurs, surely ($4, in percent) or by their
-- word; positive, refunds netted.
WITH recurs AS MATERIALIZED (
    SELECT DISTINCT one.transaction_id
    FROM recurring_series AS series CROSS JOIN LATERAL unnest(series.transaction_ids) AS one (transaction_id)
    WHERE series.user_id = $1 AND series.outgoing
      AND (series.state = 'confirmed' OR (series.state = 'suggested' AND series.confidence >= $4))
), counted AS MATERIALIZED (
    SELECT row.* FROM unnest($5::int[]) AS asked (category_id) CROSS JOIN LATERAL (
        SELECT transaction_id, posted_on, category_id, currency, amount_minor, part_category_ids, part_amounts_minor
        FROM transactions
        WHERE user_id = $1 AND category_id = asked.category_id AND posted_on BETWEEN $2 AND $3
          AND successor_id IS NULL AND removed_at IS NULL AND excluded_from_budgets IS NOT TRUE
        OFFSET 0
    ) AS row
    UNION ALL
    SELECT transaction_id, posted_on, category_id, currency, amount_minor, part_category_ids, part_amounts_minor
    FROM transactions
    WHERE user_id = $1 AND posted_on BETWEEN $2 AND $3 AND part_category_ids IS NOT NULL
      AND category_id <> ALL ($5) AND part_category_ids && $5
      AND successor_id IS NULL AND removed_at IS NULL AND excluded_from_budgets IS NOT TRUE
)
SELECT part.posted_on, part.category_id, part.currency, (-sum(part.amount_minor))::bigint AS spent_minor
FROM (
    SELECT transaction_id, posted_on, category_id, currency, CASE WHEN part_category_ids IS NULL THEN amount_minor
        ELSE amount_minor - sum_minor(part_amounts_minor) END AS amount_minor
    FROM counted
    UNION ALL
    SELECT transaction_id, posted_on, one.category_id, currency, one.amount_minor
    FROM counted CROSS JOIN LATERAL unnest(part_category_ids, part_amounts_minor) AS one (category_id, amount_minor)
    WHERE part_category_ids IS NOT NULL
) AS part
WHERE part.category_id = ANY ($5) AND NOT EXISTS (SELECT FROM recurs WHERE recurs.transaction_id = part.transaction_id)
GROUP BY part.posted_on, part.category_id, part.currency

-- name: spends_since
-- The first day on which money moved beside what recurs, as above, in any category, until one; no row where none did.
WITH recurs AS MATERIALIZED (
    SELECT DISTINCT one.transaction_id
    FROM recurring_series AS series CROSS JOIN LATERAL unnest(series.transaction_ids) AS one (transaction_id)
    WHERE series.user_id = $1 AND series.outgoing
      AND (series.state = 'confirmed' OR (series.state = 'suggested' AND series.confidence >= $3))
)
SELECT row.posted_on FROM transactions AS row
WHERE row.user_id = $1 AND row.posted_on <= $2
  AND row.successor_id IS NULL AND row.removed_at IS NULL AND row.excluded_from_budgets IS NOT TRUE
  AND NOT EXISTS (SELECT FROM recurs WHERE recurs.transaction_id = row.transaction_id)
ORDER BY row.posted_on, row.transaction_id LIMIT 1
