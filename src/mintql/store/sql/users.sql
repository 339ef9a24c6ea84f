-- name: new_id
-- Takes an id for a person who is about to sign up.
SELECT nextval(pg_get_serial_sequence('users', 'user_id')) AS user_id

-- name: insert
-- Signs a person up; nothing comes back when the e-mail address is taken.
INSERT INTO users (user_id, email, password_hash, name, time_zone, currency, annual_income_minor, created_at,
    last_active_on)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING
RETURNING user_id

-- name: insert_counters
-- Begins a person's counters.
INSERT INTO user_counters (user_id) VALUES ($1)

-- name: credentials_of
-- Whose e-mail address this is, the hash of their password, and whether they are signed in on a network.
SELECT user_id, password_hash, is_known FROM credentials_of($1, $2::text::inet)

-- name: password_hash
-- The hash of one person's password.
SELECT password_hash FROM users WHERE user_id = $1

-- name: get
-- One person.
SELECT user_id, email, name, time_zone, currency, annual_income_minor, template_revision, created_at
FROM users WHERE user_id = $1

-- name: update_profile
-- Writes what a person can change about themselves. An income detected in another currency is known no more.
UPDATE users SET name = $2, time_zone = $3, currency = $4, annual_income_minor = $5, template_revision = $6,
    detected_income_minor = CASE WHEN currency = $4 THEN detected_income_minor END
WHERE user_id = $1

-- name: update_password_hash
-- Replaces a hash that was made with outdated parameters.
UPDATE users SET password_hash = $2 WHERE user_id = $1

-- name: mark_active
-- Notes that a person was here today; writes nothing when that is known.
UPDATE users SET last_active_on = $2 WHERE user_id = $1 AND last_active_on < $2

-- name: time_zone
-- The time zone that a person's days are of.
SELECT time_zone FROM users WHERE user_id = $1
