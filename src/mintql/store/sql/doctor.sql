-- name: server
-- What is to be known of the server: its version, its clock, and how many connections it has and takes.
SELECT current_setting('server_version_num')::int AS version, clock_timestamp() AS clock,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS connections_max,
    (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
    (SELECT count(*)::int FROM pg_stat_replication) AS replicas

-- name: api_role
-- Whether this login may become the API's role, and whether that one steps over row-level security.
SELECT pg_has_role(rolname, 'MEMBER') AS may_become, rolsuper OR rolbypassrls AS bypasses
FROM pg_roles WHERE rolname = $1

-- name: open_tables
-- Tables with rows of persons that the API's role may read although nothing fences them.
SELECT relation.relname::text AS name FROM pg_class AS relation
JOIN pg_attribute AS owner ON owner.attrelid = relation.oid AND owner.attname = 'user_id' AND NOT owner.attisdropped
WHERE relation.relnamespace = 'public'::regnamespace AND relation.relkind IN ('r', 'p') AND NOT relation.relrowsecurity
  AND has_any_column_privilege($1, relation.oid, 'SELECT')
ORDER BY 1

-- name: replay_lag
-- How many bytes of the log a standby has still to replay, given where the primary is.
SELECT pg_is_in_recovery() AS is_standby,
    greatest(0, pg_wal_lsn_diff($1::text::pg_lsn, pg_last_wal_replay_lsn()))::bigint AS behind_bytes

-- name: written
-- Where the log of the primary is.
SELECT pg_current_wal_lsn()::text AS lsn

-- name: stuck_deletions
-- Deletions of persons that have been due since before a moment, counted up to a bound.
SELECT count(*)::int AS stuck FROM (SELECT FROM deletions WHERE finished_at IS NULL AND due_at < $1 LIMIT $2) AS those
