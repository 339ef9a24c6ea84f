-- name: purchases
-- The largest purchases of one person in a span by currency, $4 of each: money out that counts as spending, refunds
-- and transfers left out. A split one is whole.
WITH kinds AS MATERIALIZED (
    SELECT category_id FROM unnest($5::int[]) AS standard (category_id)
    UNION ALL
    SELECT own.category_id FROM personal_categories AS own
    WHERE own.user_id = $1 AND own.category_id >= 10000 AND own.kind = 'expense'
), ranked AS (
    SELECT transaction_id, coalesce(display_name, merchant) AS merchant, posted_on, currency, -amount_minor AS spent_minor,
        pending, row_number() OVER (PARTITION BY currency ORDER BY amount_minor, transaction_id) AS rank
    FROM transactions
    WHERE user_id = $1 AND posted_on BETWEEN $2 AND $3 AND successor_id IS NULL AND removed_at IS NULL
        AND amount_minor < 0 AND category_id IN (SELECT category_id FROM kinds)
)
SELECT transaction_id, merchant, posted_on, currency, spent_minor, pending FROM ranked WHERE rank <= $4
ORDER BY currency, rank

-- name: news
-- What one person was told of some kinds between two moments, oldest first.
SELECT kind, title, body FROM notifications
WHERE user_id = $1 AND kind = ANY ($2::text[]) AND created_at >= $3 AND created_at < $4
ORDER BY notification_id LIMIT $5
