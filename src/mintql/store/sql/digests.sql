-- name: time_zones
-- Time zones that persons live in, by one step of the index for each.
WITH RECURSIVE walk AS (
    (SELECT time_zone FROM users ORDER BY time_zone, user_id LIMIT 1)
    UNION ALL
    SELECT (SELECT users.time_zone FROM users WHERE users.time_zone > walk.time_zone ORDER BY users.time_zone,
        users.user_id LIMIT 1)
    FROM walk WHERE walk.time_zone IS NOT NULL
)
SELECT time_zone FROM walk WHERE time_zone IS NOT NULL

-- name: finished
-- Of periods that begin on these days, the rounds that are over.
SELECT kind, time_zone, period_first FROM summary_rounds WHERE period_first = ANY ($1::date[])
    AND finished_at IS NOT NULL

-- name: begin_round
-- Begins a round, unless it has begun.
INSERT INTO summary_rounds (kind, time_zone, period_first) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: take_round
-- The last person a round has gone through; nothing while somebody works on it, or when it is over.
SELECT after_user_id FROM summary_rounds
WHERE kind = $1 AND time_zone = $2 AND period_first = $3 AND finished_at IS NULL
FOR UPDATE SKIP LOCKED

-- name: mark_page
-- Marks the next persons of a time zone who were here since a day, and tells the last one looked at.
WITH page AS (
    SELECT user_id, last_active_on FROM users WHERE time_zone = $1 AND user_id > $2
    ORDER BY user_id LIMIT $3
), marked AS (
    INSERT INTO summaries_due (user_id, kind, period_first, due_at)
    SELECT user_id, $4, $5, $6 FROM page WHERE last_active_on >= $7
    ON CONFLICT DO NOTHING
)
SELECT max(user_id) AS last_user_id, count(*)::int AS count FROM page

-- name: go_on
-- Writes down how far a round has come, and whether it is over.
UPDATE summary_rounds SET after_user_id = $4, finished_at = $5
WHERE kind = $1 AND time_zone = $2 AND period_first = $3

-- name: take_due
-- Takes summaries that are due, pushing each one back by the lease in case this worker dies.
WITH due AS (
    SELECT user_id, kind, period_first FROM summaries_due WHERE due_at <= $1
    ORDER BY due_at LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE summaries_due SET attempts = summaries_due.attempts + 1, due_at = $3
FROM due WHERE summaries_due.user_id = due.user_id AND summaries_due.kind = due.kind
    AND summaries_due.period_first = due.period_first
RETURNING summaries_due.user_id, summaries_due.kind, summaries_due.period_first, summaries_due.attempts

-- name: any_due
-- Whether anybody's summary is due.
SELECT user_id FROM summaries_due WHERE due_at <= $1 ORDER BY due_at LIMIT 1

-- name: settle
-- Takes one summary off; nothing comes back when somebody else has.
DELETE FROM summaries_due WHERE user_id = $1 AND kind = $2 AND period_first = $3 RETURNING user_id

-- name: purge_rounds
-- Forgets rounds of periods long past.
DELETE FROM summary_rounds WHERE period_first < $1
