-- name: newest_applied
-- The newest migration that the database has had.
SELECT coalesce(max(version), 0)::int AS version FROM schema_migrations
