-- name: shown
-- Series of a person with the newest of their transactions that still counts, whose account, category and names are
-- theirs: those of $2 (null: all), in these states ($3), active or ended ($4; null: both), of at least so much
-- confidence unless the person confirmed them ($5), in one direction ($6; null: both), with ids after $7, by id.
SELECT series.recurring_id, series.merchant_key, series.currency, series.outgoing, series.state, series.transaction_ids,
    series.frequency, series.anchor_on, series.anchor_day, series.second_day, series.step_days, series.weekend,
    series.first_on, series.last_on, series.next_on, series.ended, series.amounts_kind, series.mean_minor,
    series.last_minor, series.expected_minor, series.spread_minor, series.occurrences, series.missed,
    series.off_tenths, series.confidence, series.said_frequency, series.said_amount_minor, series.said_subscription,
    series.created_at, series.decided_at, newest.account_id, newest.category_id, newest.merchant
FROM recurring_series AS series
CROSS JOIN LATERAL (
    SELECT row.account_id, row.category_id, row.merchant
    FROM unnest(series.transaction_ids) AS own (id) CROSS JOIN LATERAL (
        SELECT transaction_id, posted_on, account_id, category_id, coalesce(display_name, merchant) AS merchant
        FROM transactions
        WHERE user_id = series.user_id AND transaction_id = own.id AND successor_id IS NULL AND removed_at IS NULL OFFSET 0
    ) AS row
    ORDER BY row.posted_on DESC, row.transaction_id DESC LIMIT 1
) AS newest
WHERE series.user_id = $1 AND ($2::bigint[] IS NULL OR series.recurring_id = ANY ($2::bigint[]))
  AND series.state = ANY ($3::text[]) AND ($4::boolean IS NULL OR series.ended = $4::boolean)
  AND (series.state = 'confirmed' OR series.confidence >= $5::int)
  AND ($6::boolean IS NULL OR series.outgoing = $6::boolean) AND series.recurring_id > $7::bigint
ORDER BY series.recurring_id
LIMIT $8

-- name: of_transactions
-- Which series these transactions of a person belong to; dismissed ones are left out.
SELECT asked.transaction_id, series.recurring_id
FROM recurring_series AS series
CROSS JOIN LATERAL unnest(series.transaction_ids) AS asked (transaction_id)
WHERE series.user_id = $1 AND series.state <> 'dismissed' AND asked.transaction_id = ANY ($2::bigint[])
