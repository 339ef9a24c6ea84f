-- name: take
-- Takes a visit that somebody waits for and nobody is opening, with the sealed login that it renews.
UPDATE link_visits AS visit SET lease_until = $4
FROM connections AS link
LEFT JOIN connection_secrets AS secret
    ON secret.user_id = link.user_id AND secret.connection_id = link.connection_id
WHERE visit.user_id = $1 AND visit.visit_id = $2 AND link.user_id = $1 AND link.connection_id = visit.connection_id
    AND visit.state = 'wanted' AND visit.wanted_until > $3
    AND (visit.lease_until IS NULL OR visit.lease_until <= $3)
RETURNING visit.connection_id, link.institution_id, secret.key_version, secret.wrapped_key, secret.ciphertext

-- name: note_opened
-- Answers with a visit that was opened.
UPDATE link_visits SET state = 'opened', lease_until = NULL, token = $3, url = $4, expires_at = $5, kept_until = $6
WHERE user_id = $1 AND visit_id = $2 AND state = 'wanted'

-- name: note_refused
-- Answers with why no visit could be opened.
UPDATE link_visits SET state = 'refused', lease_until = NULL, error_code = $3, error_message = $4, error_action = $5,
    retry_at = $6
WHERE user_id = $1 AND visit_id = $2 AND state = 'wanted'

-- name: waiting
-- Visits that somebody waits for and nobody is opening, a bounded number.
SELECT user_id, visit_id FROM link_visits
WHERE state = 'wanted' AND wanted_until > $1 AND (lease_until IS NULL OR lease_until <= $1)
ORDER BY wanted_until LIMIT $2

-- name: purge
-- Forgets visits that have had their time; returns how many went.
WITH old AS (
    SELECT user_id, visit_id FROM link_visits WHERE kept_until <= $1 ORDER BY kept_until LIMIT $2
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM link_visits USING old
    WHERE link_visits.user_id = old.user_id AND link_visits.visit_id = old.visit_id RETURNING 1
)
SELECT count(*)::int AS purged FROM gone
