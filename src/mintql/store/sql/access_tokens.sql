-- name: insert
-- Makes an access token of one person.
INSERT INTO sessions (user_id, token_hash, created_at, expires_at, name, scopes) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING session_id

-- name: listed
-- Access tokens of one person, newest first.
SELECT session_id, name, scopes, created_at, expires_at, last_used_at, address FROM sessions
WHERE user_id = $1 AND scopes IS NOT NULL AND expires_at > $2 ORDER BY session_id DESC LIMIT $3

-- name: delete
-- Ends one access token; nothing comes back when it has ended.
DELETE FROM sessions WHERE user_id = $1 AND session_id = $2 AND scopes IS NOT NULL RETURNING name

-- name: delete_all
-- Ends all access tokens of one person; returns which.
DELETE FROM sessions WHERE user_id = $1 AND scopes IS NOT NULL RETURNING session_id
