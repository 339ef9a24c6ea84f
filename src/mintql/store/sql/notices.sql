-- name: raise_notices
-- Stores notifications; one that was raised for the same subject is left alone.
INSERT INTO notifications (user_id, kind, subject, title, body, category_id, account_id, connection_id, alert_id,
    recurring_id, transaction_ids, amount_minor, limit_minor, currency, period_first, period_last, created_at)
SELECT user_id, kind, subject, title, body, category_id, account_id, connection_id, alert_id, recurring_id,
    transaction_ids::bigint[], amount_minor, limit_minor, currency, period_first, period_last, $17
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::bigint[], $11::text[], $12::bigint[], $13::bigint[], $14::text[], $15::date[], $16::date[])
    AS given (user_id, kind, subject, title, body, category_id, account_id, connection_id, alert_id, recurring_id,
        transaction_ids, amount_minor, limit_minor, currency, period_first, period_last)
ON CONFLICT (user_id, kind, subject) DO NOTHING
RETURNING user_id, notification_id, kind

-- name: keep_out_of_inbox
-- Dismisses notifications at the moment they are raised, by which they are told from those a person dismissed.
UPDATE notifications SET dismissed_at = created_at
FROM unnest($1::bigint[], $2::bigint[]) AS given (user_id, notification_id)
WHERE notifications.user_id = given.user_id AND notifications.notification_id = given.notification_id

-- name: mark_read
-- Marks notifications of one person as read: these, and where asked for every one up to one of them.
UPDATE notifications SET read_at = $4
WHERE user_id = $1 AND read_at IS NULL AND (notification_id = ANY ($2::bigint[]) OR notification_id <= $3)
RETURNING notification_id

-- name: dismiss
-- Takes notifications of one person out of the inbox for good; they count as read.
UPDATE notifications SET dismissed_at = $3, read_at = coalesce(read_at, $3)
WHERE user_id = $1 AND dismissed_at IS NULL AND notification_id = ANY ($2::bigint[])
RETURNING notification_id

-- name: purge
-- Forgets notifications older than a moment, a bounded number at a time; returns how many went.
WITH old AS (
    SELECT user_id, notification_id FROM notifications WHERE created_at < $1 LIMIT $2
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM notifications USING old
    WHERE notifications.user_id = old.user_id AND notifications.notification_id = old.notification_id
    RETURNING 1
)
SELECT count(*)::int AS purged FROM gone

-- name: causes
-- The purchases behind alerts, by person and alert, the largest first.
SELECT alerts.user_id, alerts.alert_id, row.transaction_id, coalesce(row.display_name, row.merchant) AS merchant,
    -row.amount_minor AS amount_minor, row.currency
FROM unnest($1::bigint[], $2::bigint[]) AS asked (user_id, alert_id)
JOIN alerts USING (user_id, alert_id)
CROSS JOIN LATERAL unnest(alerts.transaction_ids) WITH ORDINALITY AS cause (transaction_id, place)
JOIN transactions AS row ON row.user_id = alerts.user_id AND row.transaction_id = cause.transaction_id
ORDER BY alerts.user_id, alerts.alert_id, cause.place
