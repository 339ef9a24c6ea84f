-- name: insert
-- Asks for events to be told on a channel, from a moment on or at once.
INSERT INTO outbox (user_id, seq, channel, next_attempt_at)
SELECT user_id, seq, channel, coalesce(due_at, now())
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::timestamptz[]) AS given (user_id, seq, channel, due_at)

-- name: channels_due
-- Channels that anything is due on: a step of the index for each, which OFFSET 0 keeps from being a join.
WITH RECURSIVE channels AS (
    SELECT min(channel) AS channel FROM outbox WHERE state = 'due'
    UNION ALL
    SELECT (SELECT min(outbox.channel) FROM outbox WHERE state = 'due' AND outbox.channel > channels.channel)
    FROM channels WHERE channels.channel IS NOT NULL
)
SELECT channel FROM channels WHERE EXISTS (
    SELECT FROM outbox
    WHERE outbox.channel = channels.channel AND state = 'due' AND next_attempt_at <= $1 OFFSET 0
)

-- name: take_due
-- Takes deliveries due on a channel, pushing each one's next attempt back by the lease in case this worker dies.
WITH due AS (
    SELECT user_id, seq, channel FROM outbox WHERE channel = $1 AND state = 'due' AND next_attempt_at <= $2
    ORDER BY next_attempt_at LIMIT $3
    FOR UPDATE SKIP LOCKED
)
UPDATE outbox SET attempts = outbox.attempts + 1, next_attempt_at = $4
FROM due WHERE outbox.user_id = due.user_id AND outbox.seq = due.seq AND outbox.channel = due.channel
RETURNING outbox.user_id, outbox.seq, outbox.channel, outbox.attempts

-- name: purge
-- Forgets deliveries that were settled before a moment, a bounded number at a time; returns how many went.
WITH old AS (
    SELECT user_id, seq, channel FROM outbox WHERE state <> 'due' AND next_attempt_at < $1 LIMIT $2
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM outbox USING old
    WHERE outbox.user_id = old.user_id AND outbox.seq = old.seq AND outbox.channel = old.channel RETURNING 1
)
SELECT count(*)::int AS purged FROM gone

-- name: settle
-- Records what became of deliveries: sent, dead, skipped, or due again at a time.
UPDATE outbox SET state = settled.state, error = settled.error, next_attempt_at = settled.at,
    sent_at = CASE WHEN settled.state = 'sent' THEN settled.at END
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
    AS settled (user_id, seq, channel, state, error, at)
WHERE outbox.user_id = settled.user_id AND outbox.seq = settled.seq AND outbox.channel = settled.channel
