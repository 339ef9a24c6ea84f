-- name: month_lines
-- Signed sums of whole months, by span of months (place from 1), category and currency; emptied ones are left out.
SELECT span.place::int AS place, sums.category_id, sums.currency, sum(sums.posted_minor)::bigint AS posted_minor,
    sum(sums.pending_minor)::bigint AS pending_minor,
    sum(sums.excluded_posted_minor + sums.excluded_pending_minor)::bigint AS excluded_minor,
    sum(sums.posted_count + sums.pending_count)::int AS count
FROM unnest($2::int[], $3::date[], $4::date[]) AS span (place, first, last)
CROSS JOIN LATERAL (
    SELECT * FROM monthly_spending AS one
    WHERE one.user_id = $1 AND one.month BETWEEN span.first AND span.last AND one.posted_count + one.pending_count > 0
    OFFSET 0
) AS sums
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3

-- name: lines
-- Signed sums of counted transactions by span, key of the grouping ($5), category and currency, parts of splits apart.
-- OFFSET 0 keeps the spans outside: each is one walk of an index.
SELECT span.place::int AS place,
    CASE $5::text WHEN 'merchant' THEN one.merchant_key WHEN 'account' THEN one.account_id::text
        WHEN 'tag' THEN carried.tag WHEN 'day' THEN one.posted_on::text ELSE '' END AS key,
    line.category_id, one.currency,
    max(coalesce(one.display_name, one.merchant)) FILTER (WHERE $5 = 'merchant') AS name,
    coalesce(sum(line.amount_minor) FILTER (WHERE NOT one.pending), 0)::bigint AS posted_minor,
    coalesce(sum(line.amount_minor) FILTER (WHERE one.pending), 0)::bigint AS pending_minor,
    coalesce(sum(line.amount_minor) FILTER (WHERE one.excluded_from_budgets), 0)::bigint AS excluded_minor,
    count(*)::int AS count
FROM unnest($2::int[], $3::date[], $4::date[]) AS span (place, first, last)
CROSS JOIN LATERAL (
    SELECT * FROM transactions AS row
    WHERE row.user_id = $1 AND row.posted_on BETWEEN span.first AND span.last
        AND row.successor_id IS NULL AND row.removed_at IS NULL
        AND ($6::bigint[] IS NULL OR row.account_id = ANY ($6))
        AND ($7::text[] IS NULL OR row.tags && $7)
        AND ($8::text[] IS NULL OR row.merchant_key = ANY ($8))
        AND ($9::boolean IS NULL OR coalesce(row.excluded_from_budgets, false) = $9)
        AND ($10::text IS NULL OR row.currency <> $10)
    OFFSET 0
) AS one
CROSS JOIN LATERAL unnest(
    CASE WHEN one.part_category_ids IS NULL THEN ARRAY[one.category_id]
        ELSE one.category_id || one.part_category_ids END,
    CASE WHEN one.part_category_ids IS NULL THEN ARRAY[one.amount_minor]
        ELSE (one.amount_minor - sum_minor(one.part_amounts_minor)) || one.part_amounts_minor END
) AS line (category_id, amount_minor)
LEFT JOIN LATERAL unnest(CASE WHEN $5 = 'tag' THEN one.tags END) AS carried (tag) ON true
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
LIMIT $11

-- name: merchants
-- What each seller took by span and currency, largest first: parts of splits that count as spending, and purchases.
WITH kinds AS MATERIALIZED (
    SELECT category_id FROM unnest($4::int[]) AS standard (category_id)
    UNION ALL
    SELECT own.category_id FROM personal_categories AS own
    WHERE own.user_id = $1 AND own.category_id >= 10000 AND own.kind = 'expense'
), spent AS (
    SELECT span.place::int AS place, one.merchant_key, one.currency,
        max(coalesce(one.display_name, one.merchant)) AS name,
        (-coalesce(sum(line.amount_minor) FILTER (WHERE NOT one.pending), 0))::bigint AS posted_minor,
        (-coalesce(sum(line.amount_minor) FILTER (WHERE one.pending), 0))::bigint AS pending_minor,
        (count(DISTINCT one.transaction_id) FILTER (WHERE NOT one.pending))::int AS count,
        max(one.posted_on) AS last_on
    FROM unnest($2::date[], $3::date[]) WITH ORDINALITY AS span (first, last, place)
    CROSS JOIN LATERAL (
        SELECT * FROM transactions AS row
        WHERE row.user_id = $1 AND row.posted_on BETWEEN span.first AND span.last
            AND row.successor_id IS NULL AND row.removed_at IS NULL
        OFFSET 0
    ) AS one
    CROSS JOIN LATERAL unnest(
        CASE WHEN one.part_category_ids IS NULL THEN ARRAY[one.category_id]
            ELSE one.category_id || one.part_category_ids END,
        CASE WHEN one.part_category_ids IS NULL THEN ARRAY[one.amount_minor]
            ELSE (one.amount_minor - sum_minor(one.part_amounts_minor)) || one.part_amounts_minor END
    ) AS line (category_id, amount_minor)
    JOIN kinds ON kinds.category_id = line.category_id
    GROUP BY 1, 2, 3
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY place, currency ORDER BY posted_minor DESC, merchant_key) AS rank,
        (sum(posted_minor) OVER (PARTITION BY place, currency))::bigint AS total_minor
    FROM spent
)
SELECT place, merchant_key, currency, name, posted_minor, pending_minor, count, last_on, total_minor
FROM ranked WHERE rank <= $5 AND posted_minor > 0
ORDER BY place, currency, rank

-- name: first_day
-- The day of a person's first counted transaction; NULL where there is none.
SELECT least((
    SELECT posted_on FROM transactions
    WHERE user_id = $1 AND successor_id IS NULL AND removed_at IS NULL
    ORDER BY posted_on LIMIT 1
), (SELECT min(first_on) FROM archived_months WHERE user_id = $1 AND state = 'archived')) AS posted_on
