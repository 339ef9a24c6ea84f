-- name: take_endpoints
-- Takes endpoints for which something is due, leasing each in case this worker dies.
WITH due AS (
    SELECT user_id, endpoint_id FROM webhook_endpoints
    WHERE due_at <= $1 AND (leased_until IS NULL OR leased_until <= $1) AND enabled
    ORDER BY due_at LIMIT $2
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE webhook_endpoints AS endpoint SET leased_until = $3
FROM due WHERE endpoint.user_id = due.user_id AND endpoint.endpoint_id = due.endpoint_id
RETURNING endpoint.user_id, endpoint.endpoint_id

-- name: lock_endpoint
-- Holds an endpoint to the end of the transaction, as whoever adds a delivery does; returns how it stands.
SELECT url, enabled, failing_since, failures, paused_until FROM webhook_endpoints
WHERE user_id = $1 AND endpoint_id = $2 FOR NO KEY UPDATE

-- name: secrets
-- What an endpoint's deliveries are signed with now, newest first.
SELECT secret_no, key_version, wrapped_key, ciphertext FROM webhook_secrets
WHERE user_id = $1 AND endpoint_id = $2 AND (expires_at IS NULL OR expires_at > $3)
ORDER BY secret_no DESC

-- name: due
-- Deliveries that are due at an endpoint, in the order of what they tell, with the events they are about.
SELECT delivery.delivery_id, delivery.message_id, delivery.type, delivery.body, delivery.attempts, delivery.tries,
    delivery.created_at, event.payload, event.created_at AS occurred_at
FROM webhook_deliveries AS delivery
LEFT JOIN events AS event ON event.user_id = delivery.user_id AND event.seq = delivery.seq
WHERE delivery.user_id = $1 AND delivery.endpoint_id = $2 AND delivery.state = 'due'
  AND delivery.next_attempt_at <= $3
ORDER BY delivery.next_attempt_at, delivery.delivery_id LIMIT $4

-- name: write_body
-- Writes what a delivery says, for good; returns it, or what was written before.
UPDATE webhook_deliveries SET body = coalesce(body, $3) WHERE user_id = $1 AND delivery_id = $2
RETURNING body

-- name: note_attempt
-- Writes down an attempt.
INSERT INTO webhook_attempts (user_id, delivery_id, attempt, at, milliseconds, status_code, error, answer)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (user_id, delivery_id, attempt) DO NOTHING

-- name: settle
-- Records what became of a delivery.
UPDATE webhook_deliveries SET state = $3::text, attempts = greatest(attempts, $4), tries = tries + 1,
    next_attempt_at = $5::timestamptz, settled_at = CASE WHEN $3::text <> 'due' THEN $5::timestamptz END
WHERE user_id = $1 AND delivery_id = $2

-- name: note_success
-- Forgets what was held against an endpoint that has taken a delivery.
UPDATE webhook_endpoints SET failing_since = NULL, failures = 0, paused_until = NULL
WHERE user_id = $1 AND endpoint_id = $2 AND failures > 0

-- name: note_failure
-- Holds a failure against an endpoint: it is left alone until a moment.
UPDATE webhook_endpoints SET failing_since = coalesce(failing_since, $3), failures = failures + 1, paused_until = $4
WHERE user_id = $1 AND endpoint_id = $2

-- name: disable
-- Switches an endpoint off for a reason.
UPDATE webhook_endpoints SET enabled = false, disabled_reason = $3 WHERE user_id = $1 AND endpoint_id = $2 AND enabled
RETURNING endpoint_id

-- name: hand_back
-- Ends the lease of an endpoint: it is due again when its next delivery is, but not while it is left alone.
UPDATE webhook_endpoints SET leased_until = NULL, due_at = CASE WHEN enabled THEN (
    SELECT greatest(min(delivery.next_attempt_at), webhook_endpoints.paused_until)
    FROM webhook_deliveries AS delivery
    WHERE delivery.user_id = $1 AND delivery.endpoint_id = $2 AND delivery.state = 'due'
    HAVING count(*) > 0
) END
WHERE user_id = $1 AND endpoint_id = $2

-- name: purge
-- Forgets deliveries older than a moment with their attempts, a bounded number at a time; returns how many went.
WITH old AS (
    SELECT user_id, delivery_id FROM webhook_deliveries WHERE created_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM webhook_deliveries AS delivery USING old
    WHERE delivery.user_id = old.user_id AND delivery.delivery_id = old.delivery_id RETURNING 1
)
SELECT count(*)::int AS purged FROM gone
