-- name: by_ids
-- Sync runs of one person by their ids.
SELECT connection_id, run_id, reason, state, balances_only, created_at AS run_created_at, started_at, finished_at,
    pages, rows_total, rows_done, rows_added, rows_changed, rows_removed, rows_matched, rows_quarantined, notices,
    error_code AS run_error_code, error_message AS run_error_message
FROM sync_runs WHERE user_id = $1 AND run_id = ANY ($2::bigint[])

-- name: history
-- The next runs of some connections before a run, newest first, a bounded number of each.
SELECT asked.place, run.connection_id, run_id, reason, state, balances_only, created_at AS run_created_at, started_at,
    finished_at, pages, rows_total, rows_done, rows_added, rows_changed, rows_removed, rows_matched, rows_quarantined,
    notices, error_code AS run_error_code, error_message AS run_error_message
FROM unnest($2::int[], $3::bigint[], $4::bigint[], $5::int[]) AS asked (place, connection_id, before_id, size)
CROSS JOIN LATERAL (
    SELECT * FROM sync_runs
    WHERE user_id = $1 AND connection_id = asked.connection_id AND run_id < asked.before_id
    ORDER BY run_id DESC LIMIT asked.size
) AS run
ORDER BY asked.place, run.run_id DESC

-- name: quarantined
-- The next rows of some runs that could not be read, after a row, in the order of their pages, a bounded number of
-- each, with the account they belong to where that is known.
SELECT asked.place, row.object_id, row.page, row.position, row.reason, row.excerpt, account.account_id
FROM unnest($2::int[], $3::bigint[], $4::bigint[], $5::int[], $6::int[])
    AS asked (place, run_id, after_object_id, after_position, size)
CROSS JOIN LATERAL (
    SELECT bad.object_id, object.page, bad.position, bad.reason, bad.excerpt, bad.account_external_id
    FROM raw_objects AS object
    JOIN quarantined_rows AS bad ON bad.user_id = object.user_id AND bad.object_id = object.object_id
    WHERE object.user_id = $1 AND object.run_id = asked.run_id
      AND (bad.object_id, bad.position) > (asked.after_object_id, asked.after_position)
    ORDER BY bad.object_id, bad.position LIMIT asked.size
) AS row
JOIN sync_runs AS run ON run.user_id = $1 AND run.run_id = asked.run_id
LEFT JOIN accounts AS account ON account.user_id = $1 AND (
    (account.connection_id = run.connection_id AND account.external_id = row.account_external_id)
    -- A file may go into an account of a live connection, and names it by this.
    OR (run.import_id IS NOT NULL AND 'account:' || account.account_id = row.account_external_id)
)
ORDER BY asked.place, row.object_id, row.position

-- name: raw_pages
-- The next raw pages of some runs after a page, in the order they were stored, a bounded number of each.
SELECT asked.place, object.object_id, object.run_id, object.attempt, object.page, object.sha256, object.size_bytes,
    object.content_type, object.state, object.error, object.stored_at, object.ingested_at
FROM unnest($2::int[], $3::bigint[], $4::int[], $5::int[], $6::int[])
    AS asked (place, run_id, after_attempt, after_page, size)
CROSS JOIN LATERAL (
    SELECT * FROM raw_objects
    WHERE user_id = $1 AND run_id = asked.run_id AND (attempt, page) > (asked.after_attempt, asked.after_page)
    ORDER BY attempt, page LIMIT asked.size
) AS object
ORDER BY asked.place, object.attempt, object.page

-- name: raw_pages_by_ids
-- Raw pages of one person by their ids.
SELECT object_id, run_id, attempt, page, sha256, size_bytes, content_type, state, error, stored_at, ingested_at
FROM raw_objects WHERE user_id = $1 AND object_id = ANY ($2::bigint[])
