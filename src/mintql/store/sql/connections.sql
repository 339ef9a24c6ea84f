-- name: list_by_user
-- Connections of one person with their latest run and the start of the latest whole one that went well, oldest first:
-- all, or those of the ids given.
SELECT link.connection_id, link.institution_id, link.login_hint, link.status, link.last_success_at,
    link.last_attempt_at, link.next_attempt_at, link.error_code, link.error_message, link.error_action,
    link.created_at, link.disconnected_at, link.notice, link.noticed_at, link.requests_on, link.requests,
    refreshed.last_started_at,
    run.run_id, run.reason, run.state, run.balances_only, run.created_at AS run_created_at, run.started_at,
    run.finished_at, run.pages, run.rows_total, run.rows_done, run.rows_added, run.rows_changed, run.rows_removed,
    run.rows_matched, run.rows_quarantined, run.notices, run.error_code AS run_error_code,
    run.error_message AS run_error_message
FROM connections AS link
LEFT JOIN LATERAL (
    SELECT * FROM sync_runs WHERE user_id = link.user_id AND connection_id = link.connection_id
    ORDER BY run_id DESC LIMIT 1
) AS run ON true
LEFT JOIN LATERAL (
    SELECT coalesce(started_at, created_at) AS last_started_at FROM sync_runs
    WHERE user_id = link.user_id AND connection_id = link.connection_id AND state = 'succeeded' AND NOT balances_only
    ORDER BY run_id DESC LIMIT 1
) AS refreshed ON true
WHERE link.user_id = $1 AND ($2::bigint[] IS NULL OR link.connection_id = ANY ($2::bigint[]))
ORDER BY link.connection_id

-- name: count_open
-- How many connections to institutions a person has that were not disconnected; that of imported files is none.
SELECT count(*)::int AS connections FROM connections
WHERE user_id = $1 AND status <> 'disconnected' AND institution_id <> 'files'

-- name: open_ids
-- Connections of one person that were not disconnected, that of imported files among them.
SELECT connection_id FROM connections WHERE user_id = $1 AND status <> 'disconnected' ORDER BY connection_id

-- name: insert
-- Stores a connection.
INSERT INTO connections (user_id, institution_id, login_hint, login_key, webhook_key, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
RETURNING connection_id

-- name: find_by_login
-- The connection that a person made with a login before, ended or not.
SELECT connection_id FROM connections WHERE user_id = $1 AND institution_id = $2 AND login_key = $3

-- name: insert_secret
-- Stores the sealed login of a connection.
INSERT INTO connection_secrets (user_id, connection_id, key_version, wrapped_key, ciphertext)
VALUES ($1, $2, $3, $4, $5)

-- name: delete_secret
-- Forgets the login of a connection.
DELETE FROM connection_secrets WHERE user_id = $1 AND connection_id = $2

-- name: part_with_secret
-- Moves the sealed login of a connection out of everybody's reach but the farewell's, until a moment at the latest.
SELECT part_with_secret(connection_id, $3) FROM connections WHERE user_id = $1 AND connection_id = $2

-- name: take_back_farewell
-- Takes back that an institution is told of the end of a login.
SELECT take_back_farewell($2) FROM users WHERE user_id = $1

-- name: lock
-- One connection, locked against other writers.
SELECT connection_id, institution_id, status, login_key, last_attempt_at, error_code, error_message, requests_on,
    requests, former_ids
FROM connections WHERE user_id = $1 AND connection_id = $2
-- Not FOR UPDATE: the day's runs are opened without it, and their foreign keys must not wait for this.
FOR NO KEY UPDATE

-- name: last_refresh
-- When the latest run of a connection that went well began, of whole ones unless balances are enough, how far the run
-- is that is open, until when the institution wants that one to wait, and when its person was last here.
SELECT refreshed.at AS last_started_at, run.state AS open_state, run.balances_only AS open_balances_only,
    run.waits_until, person.last_active_on
FROM connections AS link
JOIN users AS person ON person.user_id = link.user_id
LEFT JOIN LATERAL (
    SELECT coalesce(started_at, created_at) AS at FROM sync_runs
    WHERE user_id = link.user_id AND connection_id = link.connection_id AND state = 'succeeded'
      AND (NOT balances_only OR $3::boolean)
    ORDER BY run_id DESC LIMIT 1
) AS refreshed ON true
LEFT JOIN LATERAL (
    SELECT state, balances_only,
        CASE WHEN state = 'queued' AND error_code = 'INSTITUTION_RATE_LIMITED' THEN next_attempt_at END AS waits_until
    FROM sync_runs
    WHERE user_id = link.user_id AND connection_id = link.connection_id
      AND state NOT IN ('succeeded', 'failed') AND reason <> 'import'
    LIMIT 1
) AS run ON true
WHERE link.user_id = $1 AND link.connection_id = $2

-- name: reactivate
-- Notes that a connection has a login again that works; another login than before is read from its beginning.
UPDATE connections SET status = 'active', login_hint = $3, failures = 0, error_code = NULL, error_message = NULL,
    error_action = NULL, next_attempt_at = NULL, disconnected_at = NULL, notice = NULL, noticed_at = NULL,
    login_key = $4, webhook_key = $5,
    synced_through = CASE WHEN login_key = $4 THEN synced_through END,
    sync_cursor = CASE WHEN login_key = $4 THEN sync_cursor ELSE '' END
WHERE user_id = $1 AND connection_id = $2

-- name: renew
-- Notes that the login of a connection works again as it is, and that what was told of its end is over.
UPDATE connections SET status = 'active', failures = 0, error_code = NULL, error_message = NULL, error_action = NULL,
    next_attempt_at = NULL, notice = NULL, noticed_at = NULL
WHERE user_id = $1 AND connection_id = $2

-- name: disconnect
-- Ends a connection; its accounts and transactions stay.
UPDATE connections SET status = 'disconnected', disconnected_at = $3, next_attempt_at = NULL, error_code = NULL,
    error_message = NULL, error_action = NULL, notice = NULL, noticed_at = NULL, wanted_at = NULL
WHERE user_id = $1 AND connection_id = $2

-- name: close_runs
-- Ends the runs that a connection has open, with the reason.
UPDATE sync_runs SET state = 'failed', finished_at = $3, lease_until = NULL, error_code = $4, error_message = $5
WHERE user_id = $1 AND connection_id = $2 AND state NOT IN ('succeeded', 'failed')
RETURNING run_id

-- name: transaction_ids
-- Transactions of a connection that count, newest first, a bounded number; of imported files wherever they went.
SELECT transaction_id FROM (
    SELECT of_account.posted_on, of_account.transaction_id FROM accounts AS account CROSS JOIN LATERAL (
        SELECT posted_on, transaction_id FROM transactions
        WHERE user_id = $1 AND account_id = account.account_id AND successor_id IS NULL AND removed_at IS NULL
        ORDER BY posted_on DESC, transaction_id DESC LIMIT $3
    ) AS of_account
    WHERE account.user_id = $1 AND account.connection_id = $2
    UNION
    SELECT of_file.posted_on, of_file.transaction_id FROM file_imports AS file CROSS JOIN LATERAL (
        SELECT posted_on, transaction_id FROM transactions
        WHERE user_id = $1 AND import_id = file.import_id AND successor_id IS NULL AND removed_at IS NULL
        ORDER BY posted_on DESC, transaction_id DESC LIMIT $3
    ) AS of_file
    WHERE file.user_id = $1 AND file.connection_id = $2
) AS found
ORDER BY posted_on DESC, transaction_id DESC LIMIT $3

-- name: count_transactions
-- How many transactions of a connection count; of imported files wherever they went.
SELECT count(*)::int AS transactions FROM transactions AS row
JOIN accounts AS account ON account.user_id = row.user_id AND account.account_id = row.account_id
LEFT JOIN file_imports AS file ON file.user_id = row.user_id AND file.import_id = row.import_id
WHERE account.user_id = $1 AND $2 IN (account.connection_id, file.connection_id)
    AND row.successor_id IS NULL AND row.removed_at IS NULL

-- name: delete_transactions
-- Removes transactions of a connection, a bounded number, and returns how many; of imported files wherever they went.
WITH bounded AS (
    SELECT row.user_id, row.transaction_id FROM accounts AS account
    JOIN transactions AS row ON row.user_id = account.user_id AND row.account_id = account.account_id
    WHERE account.user_id = $1 AND account.connection_id = $2
    UNION ALL
    SELECT row.user_id, row.transaction_id FROM file_imports AS file
    JOIN transactions AS row ON row.user_id = file.user_id AND row.import_id = file.import_id
    WHERE file.user_id = $1 AND file.connection_id = $2
    LIMIT $3
), gone AS (
    DELETE FROM transactions AS row USING bounded
    WHERE row.user_id = bounded.user_id AND row.transaction_id = bounded.transaction_id
    RETURNING 1
)
SELECT count(*)::int AS deleted FROM gone

-- name: doom_objects
-- Asks for everything in the object store under a prefix to be removed, now and once more when writers are gone.
INSERT INTO doomed_objects (user_id, prefix, created_at, due_at) VALUES ($1, $2, $3, $3)
ON CONFLICT (user_id, prefix) DO UPDATE SET created_at = excluded.created_at, due_at = excluded.due_at

-- name: delete
-- Removes a connection with its accounts, their transactions and everything below.
DELETE FROM connections WHERE user_id = $1 AND connection_id = $2

-- name: by_webhook
-- Connections, of whomever, whose login an institution's webhook names.
SELECT user_id, connection_id FROM connections_by_webhook($1)

-- name: want
-- Notes that a run is to be opened from a moment on, and why; a person's word goes before an institution's.
UPDATE connections SET wanted_at = least(wanted_at, $3),
    wanted_reason = CASE WHEN wanted_at IS NOT NULL AND wanted_reason = 'request' THEN wanted_reason ELSE $4 END
WHERE user_id = $1 AND connection_id = $2

-- name: wanted
-- Connections that a run is to be opened for by now and that have none open, a bounded number. OFFSET 0 has the runs
-- asked for one by one, not all that are open read at once.
SELECT link.user_id, link.connection_id FROM connections AS link
WHERE link.wanted_at <= $1 AND link.status <> 'disconnected' AND NOT EXISTS (
    SELECT FROM sync_runs AS run WHERE run.user_id = link.user_id AND run.connection_id = link.connection_id
      AND run.state NOT IN ('succeeded', 'failed') AND run.reason <> 'import' OFFSET 0
)
ORDER BY link.wanted_at LIMIT $2

-- name: settle_wanted
-- Notes that the run a connection waited for is opened, and returns why it is; nothing when somebody else did so. The
-- time is no condition of an index here: everybody's who wait would be looked through.
UPDATE connections SET wanted_at = NULL WHERE user_id = $1 AND connection_id = $2 AND (wanted_at <= $3) IS TRUE
RETURNING wanted_reason

-- name: note_notice
-- Keeps what an institution told of itself, and when it did so last; the same words again are no change.
UPDATE connections SET notice = $3, noticed_at = $4 WHERE user_id = $1 AND connection_id = $2
