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

-- name: notices_before
-- Notifications of one person older than one, newest first; of these kinds and unread only where asked for.
SELECT user_id, notification_id, kind, subject, title, body, category_id, account_id, connection_id, alert_id,
    recurring_id, transaction_ids, amount_minor, limit_minor, currency, period_first, period_last, created_at,
    read_at, dismissed_at
FROM notifications
WHERE user_id = $1 AND notification_id < $2 AND dismissed_at IS NULL
  AND ($3::text[] IS NULL OR kind = ANY ($3)) AND (NOT $4::boolean OR read_at IS NULL)
ORDER BY notification_id DESC LIMIT $5

-- name: notices_after
-- Notifications of one person newer than one, oldest first; without what was kept out of the inbox.
SELECT user_id, notification_id, kind, subject, title, body, category_id, account_id, connection_id, alert_id,
    recurring_id, transaction_ids, amount_minor, limit_minor, currency, period_first, period_last, created_at,
    read_at, dismissed_at
FROM notifications
WHERE user_id = $1 AND notification_id > $2 AND dismissed_at IS DISTINCT FROM created_at
ORDER BY notification_id LIMIT $3

-- name: latest_notification_id
-- The id of the newest notification of one person, 0 when there is none.
SELECT coalesce(max(notification_id), 0) AS notification_id FROM notifications WHERE user_id = $1

-- name: unread_count
-- How many notifications of one person are neither read nor dismissed.
SELECT count(*)::int AS unread FROM notifications WHERE user_id = $1 AND read_at IS NULL AND dismissed_at IS NULL
