-- name: notice_by_event
-- The notification that an event of one person tells of.
SELECT user_id, notification_id, notifications.kind, subject, title, body, category_id, account_id, connection_id,
    alert_id, recurring_id, transaction_ids, amount_minor, limit_minor, currency, period_first, period_last,
    notifications.created_at, read_at, dismissed_at
FROM notifications JOIN events USING (user_id)
WHERE events.user_id = $1 AND events.seq = $2 AND events.kind = 'notification'
  AND notifications.notification_id = (events.payload ->> 'notification_id')::bigint

-- name: notices_by_ids
-- Notifications of one person by their ids.
SELECT user_id, notification_id, kind, subject, title, body, category_id, account_id, connection_id, alert_id,
    recurring_id, transaction_ids, amount_minor, limit_minor, currency, period_first, period_last, created_at,
    read_at, dismissed_at
FROM notifications WHERE user_id = $1 AND notification_id = ANY ($2::bigint[])
