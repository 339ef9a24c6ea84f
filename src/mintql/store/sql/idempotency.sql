-- name: try_lock
-- Whether nobody else is at a key of one person now; until the transaction ends, nobody else is.
SELECT pg_try_advisory_xact_lock(hashtextextended(wanted.key, wanted.user_id)) AS taken
FROM (VALUES ($1::bigint, $2::text)) AS wanted (user_id, key)

-- name: find
-- What is known of a key of one person since a moment.
SELECT fingerprint, created_at, key_version, wrapped_key, ciphertext FROM idempotency_keys
WHERE user_id = $1 AND key = $2 AND created_at > $3

-- name: go_back_to
-- Makes the transaction one person's again, who may have entered a share; tells whether it has written anything so far.
SELECT pg_current_xact_id_if_assigned() IS NOT NULL AS has_written,
    set_config('mintql.user_id', $1::bigint::text, true) AS user_id

-- name: record
-- Notes that what is asked under a key of one person is done by this transaction. A row from before a moment gives way.
INSERT INTO idempotency_keys AS known (user_id, key, fingerprint, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id, key) DO UPDATE SET fingerprint = excluded.fingerprint, created_at = excluded.created_at,
    key_version = NULL, wrapped_key = NULL, ciphertext = NULL
WHERE known.created_at <= $5
RETURNING true AS recorded

-- name: keep_answer
-- Keeps the answer for a key of one person, unless there is one or the key stands for something else since a moment.
INSERT INTO idempotency_keys AS known (user_id, key, fingerprint, created_at, key_version, wrapped_key, ciphertext)
VALUES ($1, $2, $3, $4, $6, $7, $8)
ON CONFLICT (user_id, key) DO UPDATE SET fingerprint = excluded.fingerprint,
    created_at = CASE WHEN known.created_at <= $5 THEN excluded.created_at ELSE known.created_at END,
    key_version = excluded.key_version, wrapped_key = excluded.wrapped_key, ciphertext = excluded.ciphertext
WHERE known.created_at <= $5 OR (known.fingerprint = excluded.fingerprint AND known.ciphertext IS NULL)
