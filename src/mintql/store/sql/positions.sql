-- name: written
-- How far the server that takes writes has written its log: the timeline, and bytes on it. An error on any other server.
SELECT
    ('x' || substr(pg_walfile_name(here), 1, 8))::bit(32)::int AS timeline,
    (here - '0/0'::pg_lsn)::bigint AS lsn
FROM pg_current_wal_insert_lsn() AS here

-- name: replayed
-- What a server says of itself: how far it has replayed, on which timeline, whether it is a standby, and whether what it
-- is asked can be cancelled by what it replays. Its timeline is the one it receives, where its role may know that, and
-- otherwise that of its last restart point, which is the old one for a while after a promotion.
SELECT
    pg_is_in_recovery() AS is_standby,
    (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint AS lsn,
    coalesce(
        (SELECT received_tli FROM pg_stat_wal_receiver WHERE status = 'streaming'),
        (SELECT timeline_id FROM pg_control_checkpoint())
    ) AS timeline,
    current_setting('hot_standby_feedback')::boolean AS gives_feedback
