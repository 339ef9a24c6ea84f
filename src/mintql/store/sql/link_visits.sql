-- name: insert
-- Asks for a visit that renews the login of a connection.
INSERT INTO link_visits (user_id, connection_id, created_at, wanted_until, kept_until) VALUES ($1, $2, $3, $4, $5)
RETURNING visit_id

-- name: answer
-- What has become of a visit that was asked for.
SELECT state, token, url, expires_at, error_code, error_message, error_action, retry_at
FROM link_visits WHERE user_id = $1 AND visit_id = $2

-- name: opened
-- The tokens of the visits that were opened for a connection, the latest first.
SELECT token FROM link_visits
WHERE user_id = $1 AND connection_id = $2 AND state = 'opened' AND kept_until > $3
ORDER BY visit_id DESC

-- name: forget_old
-- Forgets all visits of a connection but the latest, so many of which stay.
DELETE FROM link_visits AS visit WHERE visit.user_id = $1 AND visit.connection_id = $2 AND visit.visit_id NOT IN (
    SELECT latest.visit_id FROM link_visits AS latest
    WHERE latest.user_id = $1 AND latest.connection_id = $2 ORDER BY latest.visit_id DESC LIMIT $3
)
