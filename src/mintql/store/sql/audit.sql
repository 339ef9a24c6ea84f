-- name: record
-- Writes down an act of one person.
INSERT INTO audit_entries (user_id, act, detail, created_at) VALUES ($1, $2, $3, $4)
