-- name: is_on
-- Whether one person is asked for a code when they sign in.
SELECT EXISTS (SELECT FROM second_factors WHERE user_id = $1 AND confirmed_at IS NOT NULL) AS is_on

-- name: state
-- Since when one person is asked for codes, and how many recovery codes are left.
SELECT confirmed_at, (SELECT count(*)::int FROM recovery_codes WHERE user_id = $1) AS recovery_codes
FROM second_factors WHERE user_id = $1 AND confirmed_at IS NOT NULL

-- name: lock
-- What one person's codes are made from, locked until one of them was checked.
SELECT key_version, wrapped_key, ciphertext, confirmed_at, last_step FROM second_factors WHERE user_id = $1 FOR UPDATE

-- name: put
-- Writes a secret that no code has confirmed yet, in the place of another such one; nothing comes back when one has.
INSERT INTO second_factors (user_id, key_version, wrapped_key, ciphertext, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (user_id) DO UPDATE SET key_version = excluded.key_version, wrapped_key = excluded.wrapped_key,
    ciphertext = excluded.ciphertext, created_at = excluded.created_at, last_step = 0
WHERE second_factors.confirmed_at IS NULL
RETURNING user_id

-- name: use_step
-- Writes which step's code was used last, and when the first one was.
UPDATE second_factors SET last_step = $2, confirmed_at = coalesce(confirmed_at, $3) WHERE user_id = $1

-- name: delete
-- Takes the second factor of one person away.
DELETE FROM second_factors WHERE user_id = $1

-- name: put_recovery_codes
-- Writes the hashes of one person's recovery codes.
INSERT INTO recovery_codes (user_id, code_hash) SELECT $1, unnest($2::bytea[])

-- name: delete_recovery_codes
-- Takes all recovery codes of one person away.
DELETE FROM recovery_codes WHERE user_id = $1

-- name: use_recovery_code
-- Takes one recovery code away; nothing comes back when it is none, or was used.
DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2 RETURNING user_id
