-- name: insert
-- Begins a session.
INSERT INTO sessions (user_id, token_hash, created_at, expires_at, user_agent, address)
VALUES ($1, $2, $3, $4, $5, $6)
RETURNING session_id

-- name: by_token
-- The live session of a token, or what stands for one, with what it may do.
SELECT user_id, session_id, expires_at, scopes FROM viewer_by_token($1)

-- name: is_live
-- Whether a session still holds.
SELECT EXISTS (
    SELECT 1 FROM sessions WHERE user_id = $1 AND session_id = $2 AND expires_at > $3
) AS is_live

-- name: began_after
-- Whether a session began after a moment.
SELECT EXISTS (
    SELECT 1 FROM sessions WHERE user_id = $1 AND session_id = $2 AND created_at > $3
) AS began_after

-- name: delete
-- Ends one session; nothing comes back when it has ended.
DELETE FROM sessions WHERE user_id = $1 AND session_id = $2 AND scopes IS NULL RETURNING session_id

-- name: listed
-- Live sessions of one person, newest first.
SELECT session_id, created_at, expires_at, last_used_at, address, user_agent FROM sessions
WHERE user_id = $1 AND scopes IS NULL AND expires_at > $2 ORDER BY session_id DESC LIMIT $3

-- name: delete_others
-- Ends the sessions of one person but for one, or all of them where that is none; returns which.
DELETE FROM sessions WHERE user_id = $1 AND session_id IS DISTINCT FROM $2 AND scopes IS NULL RETURNING session_id

-- name: note_use
-- Writes where and when sessions, of whomever, were used last.
SELECT note_use(user_ids => $1, session_ids => $2, addresses => $3, moments => $4)

-- name: delete_all
-- Ends all sessions and access tokens of a person.
DELETE FROM sessions WHERE user_id = $1
