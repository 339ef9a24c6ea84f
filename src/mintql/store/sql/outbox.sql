-- name: insert
-- Asks for events to be told on a channel.
INSERT INTO outbox (user_id, seq, channel) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[])

-- name: take_due
-- Takes deliveries that are due, pushing each one's next attempt back by the lease in case this worker dies.
WITH due AS (
    SELECT user_id, seq, channel FROM outbox WHERE state = 'due' AND next_attempt_at <= $1
    ORDER BY next_attempt_at LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE outbox SET attempts = outbox.attempts + 1, next_attempt_at = $3
FROM due WHERE outbox.user_id = due.user_id AND outbox.seq = due.seq AND outbox.channel = due.channel
RETURNING outbox.user_id, outbox.seq, outbox.channel, outbox.attempts

-- name: settle
-- Records what became of deliveries: sent, due again at a time, or dead.
UPDATE outbox SET state = settled.state, error = settled.error, next_attempt_at = settled.at,
    sent_at = CASE WHEN settled.state = 'sent' THEN settled.at END
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
    AS settled (user_id, seq, channel, state, error, at)
WHERE outbox.user_id = settled.user_id AND outbox.seq = settled.seq AND outbox.channel = settled.channel
