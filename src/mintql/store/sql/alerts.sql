-- name: plans
-- What the limits and the calendar of these persons depend on.
SELECT user_id, time_zone, currency, coalesce(annual_income_minor, detected_income_minor) AS annual_income_minor,
    template_revision, annual_income_minor IS NULL AND detected_income_minor IS NOT NULL AS income_detected
FROM users
WHERE user_id = ANY ($1::bigint[])

-- name: raise_alerts
-- Inserts alerts; one that was raised for the same threshold of the same limit is left alone.
INSERT INTO alerts (user_id, category_id, period_first, period_last, threshold_percent, revision, limit_minor,
    carried_minor, spent_minor, pending_minor, currency, created_at)
SELECT *, $12 FROM unnest($1::bigint[], $2::int[], $3::date[], $4::date[], $5::smallint[], $6::bigint[],
    $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::text[])
ON CONFLICT (user_id, category_id, currency, period_first, threshold_percent, revision) DO NOTHING
RETURNING user_id, alert_id, category_id, period_first, period_last, currency, threshold_percent

-- name: largest
-- The largest purchases of these (person, leaves, period), by what of each is in the leaves: why a limit was reached.
SELECT asked.place::int AS place, array_agg(cause.transaction_id ORDER BY cause.amount_minor, cause.transaction_id)
    AS transaction_ids
FROM (
    SELECT user_id, category_ids::int[] AS category_ids, first, last, currency, place
    FROM unnest($1::bigint[], $2::text[], $3::date[], $4::date[], $5::text[])
        WITH ORDINALITY AS said (user_id, category_ids, first, last, currency, place)
    OFFSET 0  -- The categories are read once, not for each row that is looked at.
) AS asked
CROSS JOIN LATERAL (
    SELECT counted.transaction_id, sum(counted.amount_minor) AS amount_minor FROM (
        SELECT row.transaction_id, CASE WHEN row.part_category_ids IS NULL THEN row.amount_minor
            ELSE row.amount_minor - sum_minor(row.part_amounts_minor) END AS amount_minor
        FROM unnest(asked.category_ids) AS leaf (category_id)
        -- OFFSET 0: each category's rows are walked, not all of the person's period.
        CROSS JOIN LATERAL (
            SELECT * FROM transactions AS counting
            WHERE counting.user_id = asked.user_id AND counting.category_id = leaf.category_id
              AND counting.posted_on BETWEEN asked.first AND asked.last
              AND counting.currency = asked.currency AND counting.successor_id IS NULL AND counting.removed_at IS NULL
              AND counting.excluded_from_budgets IS NOT TRUE
            OFFSET 0
        ) AS row
        UNION ALL
        SELECT row.transaction_id, part.amount_minor
        FROM transactions AS row
        CROSS JOIN LATERAL unnest(row.part_category_ids, row.part_amounts_minor) AS part (category_id, amount_minor)
        WHERE row.user_id = asked.user_id AND row.part_category_ids IS NOT NULL
          AND row.posted_on BETWEEN asked.first AND asked.last
          AND row.currency = asked.currency AND row.successor_id IS NULL AND row.removed_at IS NULL
          AND row.excluded_from_budgets IS NOT TRUE
          AND part.category_id = ANY (asked.category_ids)
    ) AS counted
    GROUP BY counted.transaction_id HAVING sum(counted.amount_minor) < 0
    ORDER BY 2, 1 LIMIT $6
) AS cause
GROUP BY asked.place

-- name: note_causes
-- Writes onto alerts which transactions explain them.
UPDATE alerts SET transaction_ids = said.transaction_ids::bigint[]
FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS said (user_id, alert_id, transaction_ids)
WHERE alerts.user_id = said.user_id AND alerts.alert_id = said.alert_id

-- name: list_since
-- Alerts of one person of periods that begin on a day or later, oldest first.
SELECT category_id, currency, period_first, threshold_percent, revision
FROM alerts WHERE user_id = $1 AND period_first >= $2 ORDER BY alert_id
