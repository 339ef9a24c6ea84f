-- name: users_after
-- The next persons by id.
SELECT user_id FROM users WHERE user_id > $1 ORDER BY user_id LIMIT $2

-- name: differences
-- Where the stored sums of these persons differ from what their transactions, archived ones too, add up to.
WITH counted AS (
    SELECT user_id, date_trunc('month', posted_on)::date AS month, category_id, currency, pending,
        coalesce(excluded_from_budgets, false) AS left_out,
        CASE WHEN part_category_ids IS NULL THEN amount_minor
            ELSE amount_minor - sum_minor(part_amounts_minor) END AS amount_minor
    FROM transactions
    WHERE user_id = ANY ($1::bigint[]) AND successor_id IS NULL AND removed_at IS NULL
    UNION ALL
    SELECT user_id, date_trunc('month', posted_on)::date, part.category_id, currency, pending,
        coalesce(excluded_from_budgets, false), part.amount_minor
    FROM transactions
    CROSS JOIN LATERAL unnest(part_category_ids, part_amounts_minor) AS part (category_id, amount_minor)
    WHERE user_id = ANY ($1::bigint[]) AND part_category_ids IS NOT NULL
      AND successor_id IS NULL AND removed_at IS NULL
), added AS (
    SELECT user_id, month, category_id, currency,
        coalesce(sum(amount_minor) FILTER (WHERE NOT pending), 0)::bigint AS posted_minor,
        coalesce(sum(amount_minor) FILTER (WHERE pending), 0)::bigint AS pending_minor,
        (count(*) FILTER (WHERE NOT pending))::int AS posted_count,
        (count(*) FILTER (WHERE pending))::int AS pending_count,
        coalesce(sum(amount_minor) FILTER (WHERE left_out AND NOT pending), 0)::bigint AS excluded_posted_minor,
        coalesce(sum(amount_minor) FILTER (WHERE left_out AND pending), 0)::bigint AS excluded_pending_minor
    FROM counted GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT there.user_id, there.month, one.category_id, one.currency, one.posted_minor, 0, one.posted_count, 0,
        one.excluded_posted_minor, 0
    FROM archived_months AS there
    CROSS JOIN LATERAL unnest(sum_category_ids, sum_currencies, sum_minor, sum_counts, sum_excluded_minor)
        AS one (category_id, currency, posted_minor, posted_count, excluded_posted_minor)
    WHERE there.user_id = ANY ($1::bigint[]) AND there.state = 'archived'
), computed AS (
    SELECT user_id, month, category_id, currency, sum(posted_minor)::bigint AS posted_minor,
        sum(pending_minor)::bigint AS pending_minor, sum(posted_count)::int AS posted_count,
        sum(pending_count)::int AS pending_count, sum(excluded_posted_minor)::bigint AS excluded_posted_minor,
        sum(excluded_pending_minor)::bigint AS excluded_pending_minor
    FROM added GROUP BY 1, 2, 3, 4
), stored AS (
    SELECT * FROM monthly_spending WHERE user_id = ANY ($1::bigint[])
)
SELECT user_id, month, category_id, currency,
    coalesce(stored.posted_minor, 0) AS stored_posted_minor, coalesce(computed.posted_minor, 0) AS posted_minor,
    coalesce(stored.pending_minor, 0) AS stored_pending_minor, coalesce(computed.pending_minor, 0) AS pending_minor,
    coalesce(stored.posted_count, 0) AS stored_posted_count, coalesce(computed.posted_count, 0) AS posted_count,
    coalesce(stored.pending_count, 0) AS stored_pending_count, coalesce(computed.pending_count, 0) AS pending_count,
    coalesce(stored.excluded_posted_minor, 0) AS stored_excluded_posted_minor,
    coalesce(computed.excluded_posted_minor, 0) AS excluded_posted_minor,
    coalesce(stored.excluded_pending_minor, 0) AS stored_excluded_pending_minor,
    coalesce(computed.excluded_pending_minor, 0) AS excluded_pending_minor
FROM stored FULL JOIN computed USING (user_id, month, category_id, currency)
WHERE (coalesce(stored.posted_minor, 0), coalesce(stored.pending_minor, 0), coalesce(stored.posted_count, 0),
        coalesce(stored.pending_count, 0), coalesce(stored.excluded_posted_minor, 0),
        coalesce(stored.excluded_pending_minor, 0))
    <> (coalesce(computed.posted_minor, 0), coalesce(computed.pending_minor, 0), coalesce(computed.posted_count, 0),
        coalesce(computed.pending_count, 0), coalesce(computed.excluded_posted_minor, 0),
        coalesce(computed.excluded_pending_minor, 0))
ORDER BY user_id, month, category_id, currency

-- name: mend
-- Writes sums as they should be.
INSERT INTO monthly_spending (user_id, month, category_id, currency, posted_minor, pending_minor, posted_count,
    pending_count, excluded_posted_minor, excluded_pending_minor)
SELECT * FROM unnest($1::bigint[], $2::date[], $3::int[], $4::text[], $5::bigint[], $6::bigint[], $7::int[],
    $8::int[], $9::bigint[], $10::bigint[])
ON CONFLICT (user_id, month, category_id, currency) DO UPDATE SET posted_minor = excluded.posted_minor,
    pending_minor = excluded.pending_minor, posted_count = excluded.posted_count,
    pending_count = excluded.pending_count, excluded_posted_minor = excluded.excluded_posted_minor,
    excluded_pending_minor = excluded.excluded_pending_minor

-- name: record
-- Keeps what was found, so that a wrong sum is never mended in silence.
INSERT INTO reconcile_findings (user_id, month, category_id, currency, stored_minor, computed_minor)
SELECT * FROM unnest($1::bigint[], $2::date[], $3::int[], $4::text[], $5::bigint[], $6::bigint[])

-- name: where_left
-- The person after whom the nightly comparison goes on.
SELECT after_user_id FROM reconcile_progress WHERE only_row

-- name: leave_at
-- Notes how far the nightly comparison has come, and when; and that it has been through with everybody.
INSERT INTO reconcile_progress AS progress (after_user_id, night_ended_at, round_ended_at)
VALUES ($1, $2::timestamptz, CASE WHEN $3 THEN $2::timestamptz END)
ON CONFLICT (only_row) DO UPDATE SET after_user_id = excluded.after_user_id, night_ended_at = excluded.night_ended_at,
    round_ended_at = coalesce(excluded.round_ended_at, progress.round_ended_at)
