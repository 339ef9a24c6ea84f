-- name: endpoints
-- Endpoints of one person, oldest first, with the secret that signs and until when an older one does too.
SELECT endpoint.endpoint_id, endpoint.url, endpoint.description, endpoint.event_types, endpoint.enabled,
    endpoint.disabled_reason, endpoint.failing_since, endpoint.created_at,
    max(secret.created_at) AS secret_created_at, max(secret.expires_at) AS old_secret_until
FROM webhook_endpoints AS endpoint
JOIN webhook_secrets AS secret USING (user_id, endpoint_id)
WHERE endpoint.user_id = $1
GROUP BY endpoint.user_id, endpoint.endpoint_id
ORDER BY endpoint.endpoint_id

-- name: add_endpoint
-- Adds an endpoint.
INSERT INTO webhook_endpoints (user_id, url, description, event_types, enabled, created_at)
VALUES ($1, $2, $3, $4, $5, $6) RETURNING endpoint_id

-- name: change_endpoint
-- Writes an endpoint anew. Whatever was held against it is forgotten when it may be sent to.
UPDATE webhook_endpoints SET url = $3, description = $4, event_types = $5, enabled = $6,
    disabled_reason = CASE WHEN NOT $6 THEN disabled_reason END,
    failing_since = CASE WHEN NOT $6 THEN failing_since END,
    failures = CASE WHEN NOT $6 THEN failures ELSE 0 END,
    paused_until = CASE WHEN NOT $6 THEN paused_until END
WHERE user_id = $1 AND endpoint_id = $2

-- name: remove_endpoint
-- Removes an endpoint with its secrets and deliveries.
DELETE FROM webhook_endpoints WHERE user_id = $1 AND endpoint_id = $2

-- name: give_up
-- Gives up what waits for an endpoint.
WITH given_up AS (
    UPDATE webhook_deliveries SET state = 'dead', settled_at = $3
    WHERE user_id = $1 AND endpoint_id = $2 AND state = 'due'
)
UPDATE webhook_endpoints SET due_at = NULL WHERE user_id = $1 AND endpoint_id = $2

-- name: secrets
-- The numbers of an endpoint's secrets, newest first.
SELECT secret_no FROM webhook_secrets WHERE user_id = $1 AND endpoint_id = $2 ORDER BY secret_no DESC

-- name: add_secret
-- Adds a secret.
INSERT INTO webhook_secrets (user_id, endpoint_id, secret_no, key_version, wrapped_key, ciphertext, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: retire_secret
-- Lets a secret sign until a moment.
UPDATE webhook_secrets SET expires_at = $4 WHERE user_id = $1 AND endpoint_id = $2 AND secret_no = $3

-- name: drop_secrets
-- Removes the secrets of an endpoint that are older than one.
DELETE FROM webhook_secrets WHERE user_id = $1 AND endpoint_id = $2 AND secret_no < $3

-- name: add_test
-- Adds a test message for an endpoint.
WITH taken AS (
    SELECT nextval(pg_get_serial_sequence('webhook_deliveries', 'delivery_id')) AS delivery_id
), added AS (
    INSERT INTO webhook_deliveries
        (user_id, delivery_id, endpoint_id, message_id, type, next_attempt_at, created_at)
    SELECT $1::bigint, taken.delivery_id, $2::bigint, 'test_' || $1::bigint || '_' || taken.delivery_id, $3, $4, $4
    FROM taken
)
SELECT delivery_id FROM taken

-- name: tests_since
-- How many test messages a person has asked for since a moment.
SELECT count(*)::int FROM webhook_deliveries WHERE user_id = $1 AND type = $2 AND created_at > $3

-- name: send_again
-- Lets a delivery be due at once, with as many tries as a new one, whatever became of it.
UPDATE webhook_deliveries SET state = 'due', tries = 0, next_attempt_at = $3, settled_at = NULL
WHERE user_id = $1 AND delivery_id = $2

-- name: hurry
-- Has an endpoint looked at now, and no longer left alone.
UPDATE webhook_endpoints SET due_at = $3, paused_until = NULL WHERE user_id = $1 AND endpoint_id = $2

-- name: deliveries
-- Deliveries of one person older than one, newest first; to one endpoint and in one state where these are given.
SELECT delivery_id, endpoint_id, message_id, type, body, state, attempts, next_attempt_at, settled_at, created_at
FROM webhook_deliveries
WHERE user_id = $1 AND delivery_id < $2 AND ($3::bigint IS NULL OR endpoint_id = $3)
  AND ($4::text IS NULL OR state = $4)
ORDER BY delivery_id DESC LIMIT $5

-- name: deliveries_by_ids
-- Deliveries of one person by their ids.
SELECT delivery_id, endpoint_id, message_id, type, body, state, attempts, next_attempt_at, settled_at, created_at
FROM webhook_deliveries WHERE user_id = $1 AND delivery_id = ANY ($2::bigint[])

-- name: attempts
-- The latest attempts of each of these deliveries, newest first.
SELECT attempt.delivery_id, attempt.attempt, attempt.at, attempt.milliseconds, attempt.status_code, attempt.error,
    attempt.answer
FROM unnest($2::bigint[]) AS wanted (delivery_id)
CROSS JOIN LATERAL (
    SELECT * FROM webhook_attempts
    WHERE webhook_attempts.user_id = $1 AND webhook_attempts.delivery_id = wanted.delivery_id
    ORDER BY webhook_attempts.attempt DESC LIMIT $3
) AS attempt

-- name: fan_out
-- Makes the deliveries of an event for the endpoints that want its type; one that was made before is left alone.
WITH made AS (
    INSERT INTO webhook_deliveries (user_id, endpoint_id, message_id, seq, type, next_attempt_at)
    SELECT user_id, endpoint_id, 'evt_' || user_id || '_' || $2::bigint, $2::bigint, $3::text, $4::timestamptz
    FROM webhook_endpoints
    WHERE user_id = $1 AND enabled AND (event_types IS NULL OR $3::text = ANY (event_types))
    ON CONFLICT (user_id, endpoint_id, message_id) DO NOTHING
    RETURNING endpoint_id
), woken AS (
    UPDATE webhook_endpoints AS endpoint SET due_at = least(endpoint.due_at, greatest($4, endpoint.paused_until))
    FROM made WHERE endpoint.user_id = $1 AND endpoint.endpoint_id = made.endpoint_id
)
SELECT count(*)::int FROM made
