-- name: take_due
-- Farewells that are due, each counted as a try and put off until it may be tried again; whoever dies has only tried.
WITH due AS (
    SELECT user_id, farewell_id FROM farewells
    WHERE next_attempt_at <= $1 AND expires_at > $1
    ORDER BY next_attempt_at LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE farewells AS farewell SET tries = farewell.tries + 1,
    next_attempt_at = $1 + make_interval(secs => ($3::int[])[least(farewell.tries + 1, cardinality($3::int[]))])
FROM due
WHERE farewell.user_id = due.user_id AND farewell.farewell_id = due.farewell_id
RETURNING farewell.user_id, farewell.farewell_id, connection_id, institution_id, key_version, wrapped_key, ciphertext,
    tries, next_attempt_at, expires_at

-- name: settle
-- Forgets a farewell that was said, or cannot be.
DELETE FROM farewells WHERE user_id = $1 AND farewell_id = $2

-- name: expire
-- Forgets farewells whose time is up; returns how many of which institution went.
WITH gone AS (
    DELETE FROM farewells WHERE expires_at <= $1 RETURNING user_id, institution_id
)
SELECT institution_id, count(*)::int AS farewells FROM gone GROUP BY institution_id

-- name: any_due
-- Whether a farewell is due, or its time is up.
SELECT EXISTS (
    SELECT FROM farewells WHERE user_id IS NOT NULL AND (next_attempt_at <= $1 OR expires_at <= $1)
) AS any_due
