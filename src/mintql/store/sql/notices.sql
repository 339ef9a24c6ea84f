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
-- Dismisses notifications that were just raised.
UPDATE notifications SET dismissed_at = $3
FROM unnest($1::bigint[], $2::bigint[]) AS given (user_id, notification_id)
WHERE notifications.user_id = given.user_id AND notifications.notification_id = given.notification_id
