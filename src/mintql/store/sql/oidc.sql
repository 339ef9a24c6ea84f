-- name: use_state
-- Remembers that a visit to the sign-in provider has ended; nothing comes back when it had before.
INSERT INTO oidc_states (state_hash, kept_until) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING state_hash

-- name: person_of
-- Whose identity this is.
SELECT person_of_identity($1, $2) AS user_id

-- name: insert
-- Links an identity to one person; nothing comes back when it is linked already.
INSERT INTO linked_identities (user_id, issuer, subject, email, linked_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING identity_id

-- name: listed
-- Linked identities of one person, oldest first.
SELECT identity_id, issuer, email, linked_at FROM linked_identities WHERE user_id = $1 ORDER BY identity_id

-- name: delete
-- Takes an identity of one person away; nothing comes back when there is none.
DELETE FROM linked_identities WHERE user_id = $1 AND identity_id = $2 RETURNING issuer

-- name: purge
-- Forgets states of visits that would not hold any more, a bounded number at a time; returns how many went.
WITH old AS (
    SELECT state_hash FROM oidc_states WHERE kept_until < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM oidc_states USING old WHERE oidc_states.state_hash = old.state_hash RETURNING 1
)
SELECT count(*)::int AS purged FROM gone
