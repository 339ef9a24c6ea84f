-- name: switches
-- What these persons have switched.
SELECT user_id, kind, channel, enabled FROM notification_settings WHERE user_id = ANY ($1::bigint[])

-- name: switch
-- Switches kinds on channels for one person: on or off, as given for each.
INSERT INTO notification_settings (user_id, kind, channel, enabled, changed_at)
SELECT $1, kind, channel, enabled, $5 FROM unnest($2::text[], $3::text[], $4::boolean[])
    AS given (kind, channel, enabled)
ON CONFLICT (user_id, kind, channel) DO UPDATE SET enabled = excluded.enabled, changed_at = excluded.changed_at

-- name: preferences
-- Quiet hours and limits of these persons, with their time zones and currencies; nulls where nothing was set.
SELECT user_id, time_zone, currency, quiet_start, quiet_end, large_minor, large_currency
FROM users LEFT JOIN notification_preferences USING (user_id)
WHERE user_id = ANY ($1::bigint[])

-- name: set_quiet_hours
-- Sets one person's quiet hours, or takes them away.
INSERT INTO notification_preferences (user_id, quiet_start, quiet_end, changed_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id) DO UPDATE
SET quiet_start = excluded.quiet_start, quiet_end = excluded.quiet_end, changed_at = excluded.changed_at

-- name: set_large
-- Sets from which amount on a transaction of one person is large, or goes back to the default.
INSERT INTO notification_preferences (user_id, large_minor, large_currency, changed_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id) DO UPDATE
SET large_minor = excluded.large_minor, large_currency = excluded.large_currency, changed_at = excluded.changed_at
