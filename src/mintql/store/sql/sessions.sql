-- name: insert
-- Begins a session.
INSERT INTO sessions (user_id, token_hash, created_at, expires_at, user_agent) VALUES ($1, $2, $3, $4, $5)
RETURNING session_id

-- name: by_token
-- The live session of a token.
SELECT user_id, session_id, expires_at FROM session_by_token($1)

-- name: is_live
-- Whether a session still holds.
SELECT EXISTS (
    SELECT 1 FROM sessions WHERE user_id = $1 AND session_id = $2 AND expires_at > $3
) AS is_live

-- name: delete
-- Ends one session; nothing comes back when it has ended.
DELETE FROM sessions WHERE user_id = $1 AND session_id = $2 RETURNING session_id

-- name: listed
-- Live sessions of one person, newest first.
SELECT session_id, created_at, expires_at, user_agent FROM sessions
WHERE user_id = $1 AND expires_at > $2 ORDER BY session_id DESC LIMIT $3

-- name: delete_all
-- Ends all sessions of a person.
DELETE FROM sessions WHERE user_id = $1
