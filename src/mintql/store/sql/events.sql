-- name: take_seqs
-- Raises each person's event counter by the number of events given; returns the counter after it.
UPDATE user_counters AS counters SET event_seq = counters.event_seq + taken.count
FROM unnest($1::bigint[], $2::bigint[]) AS taken (user_id, count)
WHERE counters.user_id = taken.user_id
RETURNING counters.user_id, counters.event_seq

-- name: insert
-- Appends events, whose order within a person is their seq; returns which of these persons have webhooks.
WITH appended AS (
    INSERT INTO events (user_id, seq, kind, payload)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::jsonb[])
)
SELECT DISTINCT user_id FROM webhook_endpoints WHERE user_id = ANY ($1::bigint[]) AND enabled

-- name: list_after
-- Events of one person and of these kinds after a seq, oldest first.
SELECT seq, kind, payload, created_at FROM events
WHERE user_id = $1 AND seq > $2 AND kind = ANY ($3::text[])
ORDER BY seq LIMIT $4

-- name: latest_seq
-- The newest seq of one person.
SELECT event_seq FROM user_counters WHERE user_id = $1

-- name: purge
-- Forgets events older than a moment, a bounded number at a time; returns how many went.
WITH old AS (
    SELECT user_id, seq FROM events WHERE created_at < $1 LIMIT $2
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM events USING old WHERE events.user_id = old.user_id AND events.seq = old.seq RETURNING 1
)
SELECT count(*)::int AS purged FROM gone
