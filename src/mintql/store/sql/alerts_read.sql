-- name: alerts_after
-- Budget alerts of one person after an id, oldest first. Ids are taken under the person's lock, so none
-- appears later below one that was seen.
SELECT alert_id, category_id, period_first, period_last, threshold_percent, limit_minor, carried_minor, spent_minor,
    pending_minor, currency, transaction_ids, created_at
FROM alerts WHERE user_id = $1 AND alert_id > $2 ORDER BY alert_id LIMIT $3

-- name: alerts_before
-- Budget alerts of one person before an id, newest first.
SELECT alert_id, category_id, period_first, period_last, threshold_percent, limit_minor, carried_minor, spent_minor,
    pending_minor, currency, transaction_ids, created_at
FROM alerts WHERE user_id = $1 AND alert_id < $2 ORDER BY alert_id DESC LIMIT $3

-- name: alerts_by_ids
-- Budget alerts of one person by their ids.
SELECT alert_id, category_id, period_first, period_last, threshold_percent, limit_minor, carried_minor, spent_minor,
    pending_minor, currency, transaction_ids, created_at
FROM alerts WHERE user_id = $1 AND alert_id = ANY ($2::bigint[])

-- name: latest_alert_id
-- The newest alert of one person; 0 when there is none.
SELECT coalesce(max(alert_id), 0) AS alert_id FROM alerts WHERE user_id = $1
