-- name: record
-- Writes down an act of one person, unless as many of that act were written down since a moment.
INSERT INTO audit_entries (user_id, act, detail, address, user_agent, created_at)
SELECT $1, $2, $3, $4, $5, $6
WHERE $8::int IS NULL OR $8 > (
    SELECT count(*) FROM audit_entries AS earlier
    WHERE earlier.user_id = $1 AND earlier.act = $2 AND earlier.created_at > $7
)

-- name: take_turn
-- The turn of one transaction at a time to count failed attempts of one person.
SELECT pg_advisory_xact_lock(hashtextextended('failed attempts', counted.user_id))
FROM (VALUES ($1::bigint)) AS counted (user_id)

-- name: list_before
-- Acts of one person before an entry, newest first.
SELECT entry_id, act, detail, address, user_agent, created_at FROM audit_entries
WHERE user_id = $1 AND entry_id < $2 ORDER BY entry_id DESC LIMIT $3

-- name: by_ids
-- Acts of one person by their ids.
SELECT entry_id, act, detail, address, user_agent, created_at FROM audit_entries
WHERE user_id = $1 AND entry_id = ANY ($2::bigint[])
