-- name: open_run
-- Opens a run for a connection that has none open; returns nothing when one is open already. The connection is locked
-- either way, before any of its runs.
INSERT INTO sync_runs (user_id, connection_id, reason, day, next_attempt_at, carried_until, carries, balances_only,
    import_id, background)
SELECT user_id, connection_id, $3, $4, $5, $6, 1, $7, $8, $9 FROM connections
WHERE user_id = $1 AND connection_id = $2 AND status <> 'disconnected'
-- Not FOR UPDATE: the day's runs are opened without it, and their foreign keys must not wait for this.
FOR NO KEY UPDATE
ON CONFLICT DO NOTHING
RETURNING run_id

-- name: open_run_of
-- The run that is open for a connection, or for the import of a file; one of balances only that nobody has begun
-- becomes a whole one, unless balances are all that is wanted. `falls_short`: it has begun, and is less than is wanted.
UPDATE sync_runs SET balances_only = balances_only AND ($4 OR state <> 'queued')
WHERE user_id = $1 AND connection_id = $2 AND state NOT IN ('succeeded', 'failed')
  AND import_id IS NOT DISTINCT FROM $3::bigint
RETURNING run_id, balances_only AND NOT $4 AS falls_short

-- name: run_of_import
-- The run of an import, whatever became of it.
SELECT run_id, false AS falls_short FROM sync_runs WHERE user_id = $1 AND import_id = $2

-- name: hurry_run
-- Makes the open run of a connection due now, unless it is under way or the institution asked us to wait; somebody waits
-- for it from now on.
UPDATE sync_runs SET next_attempt_at = $3, carried_until = $4, carries = 1, background = false
WHERE user_id = $1 AND connection_id = $2 AND state IN ('queued', 'extracted')
  AND (next_attempt_at > $3 OR background) AND import_id IS NULL AND error_code IS DISTINCT FROM 'INSTITUTION_RATE_LIMITED'
RETURNING run_id, state

-- name: daily_ranges
-- Connections of persons active since a day that had no run today and whose turn has come, a page after a key in its
-- order: of every so many the last, and its place in the page. OFFSET 0 has person and run of each asked for; joined,
-- those of everybody would be read for every page.
WITH due AS (
    SELECT link.user_id, link.connection_id, row_number() OVER (ORDER BY link.user_id, link.connection_id) AS place
    FROM connections AS link
    WHERE link.status = 'active' AND link.institution_id <> 'files' AND (link.user_id, link.connection_id) > ($4, $5)
      -- The turn of a person: golden steps fill the day evenly, whatever the numbers.
      AND link.user_id % 65536 * 40503 % 65536 < $3::int
      AND EXISTS (SELECT FROM users WHERE users.user_id = link.user_id AND last_active_on >= $1 OFFSET 0)
      AND NOT EXISTS (
          SELECT FROM sync_runs AS run WHERE run.user_id = link.user_id AND run.connection_id = link.connection_id
            AND run.reason = 'daily' AND run.day = $2 OFFSET 0
      )
    ORDER BY link.user_id, link.connection_id LIMIT $6
)
SELECT user_id, connection_id, place FROM due
WHERE place % $7::int = 0 OR place = (SELECT max(place) FROM due)
ORDER BY place

-- name: open_daily_runs
-- Opens the run of the day for a range of connections; those that had theirs, or have a run open, are left out.
INSERT INTO sync_runs (user_id, connection_id, reason, day, next_attempt_at, carried_until, carries, background)
SELECT link.user_id, link.connection_id, 'daily', $2, $8, $9, 1, true FROM connections AS link
WHERE link.status = 'active' AND link.institution_id <> 'files'
  AND EXISTS (SELECT FROM users WHERE users.user_id = link.user_id AND last_active_on >= $1 OFFSET 0)
  AND link.user_id % 65536 * 40503 % 65536 < $3::int
  AND (link.user_id, link.connection_id) > ($4, $5) AND (link.user_id, link.connection_id) <= ($6, $7)
ORDER BY link.user_id, link.connection_id
ON CONFLICT DO NOTHING
RETURNING user_id, run_id

-- name: claim_extraction
-- Takes runs that wait to be extracted, or whose worker has let its lease run out; found by their keys, as below.
WITH links AS (
    SELECT link.user_id, link.connection_id, run.run_id FROM connections AS link
    JOIN sync_runs AS run ON run.user_id = link.user_id AND run.connection_id = link.connection_id
    JOIN unnest($1::bigint[], $2::bigint[]) AS asked (user_id, run_id)
        ON asked.user_id = run.user_id AND asked.run_id = run.run_id
    ORDER BY link.user_id, link.connection_id
    FOR NO KEY UPDATE OF link
), wanted AS (
    SELECT run.user_id, run.run_id FROM sync_runs AS run
    JOIN links ON links.user_id = run.user_id AND links.run_id = run.run_id
    WHERE (run.next_attempt_at <= $3) IS TRUE
      AND (run.state = 'queued' OR (run.state = 'extracting' AND run.lease_until < $3))
    ORDER BY run.user_id, run.run_id
    FOR UPDATE OF run
), claimed AS (
    UPDATE sync_runs AS run SET state = 'extracting', attempt = run.attempt + 1, lease_until = $4,
        -- Its job has come; should this worker die, the next one is not waited for as if it had been lost. But a run
        -- that was begun often may be what kills workers.
        carries = CASE WHEN run.attempt < 5 THEN 0 ELSE run.carries END,
        carried_until = CASE WHEN run.attempt < 5 THEN NULL ELSE run.carried_until END,
        started_at = coalesce(run.started_at, $3), pages = 0, rows_done = 0, rows_total = 0
    FROM wanted WHERE run.user_id = wanted.user_id AND run.run_id = wanted.run_id
    RETURNING run.user_id, run.run_id, run.connection_id, run.attempt, run.ingest_attempt, run.reason,
        run.balances_only, run.import_id
), tried AS (
    UPDATE connections AS link SET last_attempt_at = $3
    FROM claimed WHERE link.user_id = claimed.user_id AND link.connection_id = claimed.connection_id
    RETURNING link.user_id, link.connection_id, link.institution_id, link.sync_cursor, link.synced_through
)
SELECT claimed.user_id, claimed.run_id, claimed.connection_id, claimed.attempt, claimed.ingest_attempt,
    claimed.reason, claimed.balances_only, claimed.import_id, tried.institution_id, tried.sync_cursor, tried.synced_through,
    secret.key_version, secret.wrapped_key, secret.ciphertext
FROM claimed JOIN tried USING (user_id, connection_id)
LEFT JOIN connection_secrets AS secret USING (user_id, connection_id)

-- name: extend_leases
-- Says that the worker of these runs is alive, or that its job carries them, where it holds them without a lease; returns
-- how many are still its own.
WITH mine AS (
    SELECT run.user_id, run.run_id FROM sync_runs AS run
    JOIN unnest($1::bigint[], $2::bigint[], $3::text[], $4::int[], $5::int[])
        AS asked (user_id, run_id, state, attempt, ingest_attempt)
        ON asked.user_id = run.user_id AND asked.run_id = run.run_id AND asked.state = run.state
        AND asked.attempt = run.attempt AND asked.ingest_attempt = run.ingest_attempt
    ORDER BY run.user_id, run.run_id
    -- A run that its own worker is writing at the moment needs no sign of life, and must not hold up the others'.
    FOR UPDATE OF run SKIP LOCKED
), extended AS (
    UPDATE sync_runs AS run SET lease_until = CASE WHEN run.state = 'extracted' THEN run.lease_until ELSE $6 END,
        carried_until = CASE WHEN run.state = 'extracted' THEN $6 ELSE run.carried_until END
    FROM mine WHERE run.user_id = mine.user_id AND run.run_id = mine.run_id
    RETURNING 1
)
SELECT count(*)::int AS extended FROM extended

-- name: release_leases
-- Puts runs back whose worker stops and that are still its own, due at once and carried by no job that is known of;
-- returns how many.
WITH mine AS (
    SELECT run.user_id, run.run_id FROM sync_runs AS run
    JOIN unnest($1::bigint[], $2::bigint[], $3::text[], $4::int[], $5::int[])
        AS asked (user_id, run_id, state, attempt, ingest_attempt)
        ON asked.user_id = run.user_id AND asked.run_id = run.run_id AND asked.state = run.state
        AND asked.attempt = run.attempt AND asked.ingest_attempt = run.ingest_attempt
    ORDER BY run.user_id, run.run_id
    FOR UPDATE OF run
), released AS (
    UPDATE sync_runs AS run SET state = CASE run.state WHEN 'extracting' THEN 'queued' ELSE 'extracted' END,
        lease_until = NULL, next_attempt_at = $6, carried_until = $6, carries = 0
    FROM mine WHERE run.user_id = mine.user_id AND run.run_id = mine.run_id
    RETURNING 1
)
SELECT count(*)::int AS released FROM released

-- name: object_keys_of_run
-- Where the raw pages of a run lie that are known, of all its attempts.
SELECT object_key FROM raw_objects WHERE user_id = $1 AND run_id = $2

-- name: note_page
-- Counts a page that an extraction has stored so far; nothing when the run is no longer this attempt's.
UPDATE sync_runs SET pages = $4
WHERE user_id = $1 AND run_id = $2 AND attempt = $3 AND state = 'extracting'
RETURNING run_id

-- name: finish_extractions
-- All pages of these runs are stored: they may be ingested. Returns those that were still these attempts'; the others
-- are left alone. Locked in order, since several are written at once.
WITH brought AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::int[], $5::date[], $6::date[], $7::text[],
        $8::boolean[], $9::text[])
        AS brought (user_id, run_id, attempt, pages, window_first, window_last, cursor, whole, failures)
), held AS (
    SELECT run.user_id, run.run_id FROM sync_runs AS run JOIN brought
        ON brought.user_id = run.user_id AND brought.run_id = run.run_id AND brought.attempt = run.attempt
    WHERE run.state = 'extracting'
    ORDER BY run.user_id, run.run_id
    FOR UPDATE OF run
)
UPDATE sync_runs AS run SET state = 'extracted', lease_until = NULL, pages = brought.pages,
    window_first = brought.window_first, window_last = brought.window_last, next_cursor = brought.cursor,
    next_attempt_at = $10, carried_until = $11, carries = 1, whole = brought.whole,
    account_failures = brought.failures::jsonb
FROM held JOIN brought USING (user_id, run_id)
WHERE run.user_id = held.user_id AND run.run_id = held.run_id
RETURNING run.user_id, run.run_id

-- name: insert_raw_objects
-- Records the raw pages of extractions whose runs are held, so that nobody else can: to look out for that (ON CONFLICT)
-- writes each row down twice.
INSERT INTO raw_objects (user_id, run_id, attempt, page, object_key, sha256, size_bytes, content_type)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::int[], $5::text[], $6::bytea[], $7::bigint[], $8::text[])

-- name: insert_abandoned_objects
-- Records the raw pages of extractions that came to nothing, unless somebody has done so.
INSERT INTO raw_objects (user_id, run_id, attempt, page, object_key, sha256, size_bytes, content_type, state)
SELECT *, 'abandoned'
FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::int[], $5::text[], $6::bytea[], $7::bigint[], $8::text[])
ON CONFLICT (user_id, run_id, attempt, page) DO NOTHING

-- name: lock_link
-- Locks a connection before its runs; tells whether the login kept for it is another one than was tried.
SELECT $3::bytea IS NOT NULL AND secret.ciphertext IS DISTINCT FROM $3::bytea AS has_new_login
FROM connections AS link
LEFT JOIN connection_secrets AS secret
    ON secret.user_id = link.user_id AND secret.connection_id = link.connection_id
WHERE link.user_id = $1 AND link.connection_id = $2
FOR NO KEY UPDATE OF link

-- name: retry_run
-- Puts a run back to be tried again later, with the reason. A try that was not claimed counts as well.
UPDATE sync_runs SET state = $6, lease_until = NULL, next_attempt_at = $7, carried_until = $7, carries = 0,
    ingest_attempt = ingest_attempt + (state = 'extracted')::int, error_code = $8, error_message = $9
WHERE user_id = $1 AND run_id = $2 AND state = $3 AND attempt = $4 AND ingest_attempt = $5
RETURNING run_id

-- name: fail_run
-- Ends a run that cannot succeed, with the reason.
UPDATE sync_runs SET state = 'failed', lease_until = NULL, finished_at = $6, error_code = $7, error_message = $8,
    ingest_attempt = ingest_attempt + (state = 'extracted')::int
WHERE user_id = $1 AND run_id = $2 AND state = $3 AND attempt = $4 AND ingest_attempt = $5
RETURNING run_id

-- name: bury_objects
-- Marks the pages of a run that ended without being ingested as dead, with the reason.
UPDATE raw_objects SET state = 'dead', error = $3 WHERE user_id = $1 AND run_id = $2 AND state = 'stored'

-- name: note_failure
-- Writes onto the connection what went wrong, what the person can do, and when it is tried next.
UPDATE connections SET failures = failures + 1, error_code = $3, error_message = $4, error_action = $5,
    next_attempt_at = $6, status = CASE WHEN $7::boolean AND status = 'active' THEN 'action_required' ELSE status END
WHERE user_id = $1 AND connection_id = $2

-- name: claim_ingest
-- Takes runs whose pages wait to be ingested, or whose worker has let its lease run out. They are found by their keys:
-- the time is no condition of an index here, or everybody's that are due would be looked through.
WITH wanted AS (
    SELECT run.user_id, run.run_id FROM sync_runs AS run
    JOIN unnest($1::bigint[], $2::bigint[]) AS asked (user_id, run_id)
        ON asked.user_id = run.user_id AND asked.run_id = run.run_id
    WHERE (run.next_attempt_at <= $3) IS TRUE
      AND (run.state = 'extracted' OR (run.state = 'ingesting' AND run.lease_until < $3))
    ORDER BY run.user_id, run.run_id
    FOR UPDATE OF run
)
UPDATE sync_runs AS run SET state = 'ingesting', ingest_attempt = run.ingest_attempt + 1, lease_until = $4,
    carries = CASE WHEN run.ingest_attempt < 5 THEN 0 ELSE run.carries END,
    carried_until = CASE WHEN run.ingest_attempt < 5 THEN NULL ELSE run.carried_until END
FROM wanted, connections AS link
WHERE run.user_id = wanted.user_id AND run.run_id = wanted.run_id
  AND link.user_id = run.user_id AND link.connection_id = run.connection_id
RETURNING run.user_id, run.run_id, run.connection_id, run.attempt, run.ingest_attempt, run.reason, run.window_first,
    run.window_last, run.import_id, run.whole, run.balances_only, run.account_failures, run.background,
    link.institution_id, link.synced_through

-- name: take_fetched
-- Of these runs, whose pages the asking job has just stored, those of refreshes that no other job is sent for before a
-- moment. They are ingested without a claim, which would write the whole row once more; the attempt is the next one.
SELECT run.user_id, run.run_id, run.connection_id, run.attempt, run.ingest_attempt + 1 AS ingest_attempt, run.reason,
    run.window_first, run.window_last, run.import_id, run.whole, run.balances_only, run.account_failures,
    run.background, link.institution_id, link.synced_through
FROM sync_runs AS run
JOIN unnest($1::bigint[], $2::bigint[]) AS asked (user_id, run_id)
    ON asked.user_id = run.user_id AND asked.run_id = run.run_id
JOIN connections AS link ON link.user_id = run.user_id AND link.connection_id = run.connection_id
WHERE run.state = 'extracted' AND run.carries = 1 AND run.carried_until > $3 AND run.import_id IS NULL
  AND link.synced_through IS NOT NULL

-- name: raw_objects_of_runs
-- The raw pages of the given attempts of runs, in the order they were fetched.
SELECT object.user_id, object.run_id, object.object_id, object.page, object.object_key, object.sha256,
    object.state
FROM raw_objects AS object
JOIN unnest($1::bigint[], $2::bigint[], $3::int[]) AS asked (user_id, run_id, attempt)
    ON asked.user_id = object.user_id AND asked.run_id = object.run_id AND asked.attempt = object.attempt
ORDER BY object.user_id, object.run_id, object.page

-- name: lock_ingesting
-- Of these runs, those that are still being ingested in this attempt; their connections locked, then they.
WITH links AS (
    SELECT run.user_id, run.run_id, mine.state, mine.attempt, mine.ingest_attempt FROM connections AS link
    JOIN sync_runs AS run ON run.user_id = link.user_id AND run.connection_id = link.connection_id
    JOIN unnest($1::bigint[], $2::bigint[], $3::text[], $4::int[], $5::int[])
        AS mine (user_id, run_id, state, attempt, ingest_attempt)
        ON mine.user_id = run.user_id AND mine.run_id = run.run_id
    ORDER BY link.user_id, link.connection_id
    FOR NO KEY UPDATE OF link
)
SELECT run.user_id, run.run_id FROM sync_runs AS run
JOIN links ON links.user_id = run.user_id AND links.run_id = run.run_id
    AND links.state = run.state AND links.attempt = run.attempt AND links.ingest_attempt = run.ingest_attempt
ORDER BY run.user_id, run.run_id
FOR UPDATE OF run

-- name: note_rows
-- Adds to the counts of runs; those whose every page has been ingested end as succeeded, with what the institution had
-- to say (a JSON list of texts each). One write for both: a version of a run goes into five indexes.
UPDATE sync_runs AS run SET rows_total = progress.total, rows_done = progress.done,
    rows_added = run.rows_added + progress.added, rows_changed = run.rows_changed + progress.changed,
    rows_removed = run.rows_removed + progress.removed, rows_quarantined = progress.quarantined,
    rows_matched = run.rows_matched + progress.matched,
    state = CASE WHEN progress.notices IS NULL THEN run.state ELSE 'succeeded' END,
    ingest_attempt = run.ingest_attempt + (progress.notices IS NOT NULL AND run.state = 'extracted')::int,
    lease_until = CASE WHEN progress.notices IS NULL THEN run.lease_until END,
    finished_at = CASE WHEN progress.notices IS NULL THEN run.finished_at ELSE $11 END,
    error_code = CASE WHEN progress.notices IS NULL THEN run.error_code END,
    error_message = CASE WHEN progress.notices IS NULL THEN run.error_message END,
    notices = CASE WHEN progress.notices IS NULL THEN run.notices
        ELSE ARRAY (SELECT jsonb_array_elements_text(progress.notices::jsonb)) END
FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[], $9::int[],
    $10::text[])
    AS progress (user_id, run_id, total, done, added, changed, removed, quarantined, matched, notices)
WHERE run.user_id = progress.user_id AND run.run_id = progress.run_id
RETURNING run.user_id, run.run_id, run.connection_id, run.state, run.pages, run.rows_total, run.rows_done,
    run.rows_added, run.rows_changed, run.rows_removed, run.rows_quarantined, run.rows_matched, run.error_code,
    run.error_message

-- name: advance_connections
-- Moves connections past what their runs have brought, and clears their errors.
UPDATE connections AS link SET sync_cursor = run.next_cursor,
    synced_through = CASE WHEN run.balances_only THEN link.synced_through ELSE run.window_last END,
    last_success_at = $3, failures = 0, error_code = NULL, error_message = NULL, error_action = NULL,
    next_attempt_at = CASE WHEN run.import_id IS NULL THEN $4::timestamptz END,
    status = CASE WHEN link.status = 'action_required' THEN 'active' ELSE link.status END
FROM unnest($1::bigint[], $2::bigint[]) AS done (user_id, run_id)
JOIN sync_runs AS run ON run.user_id = done.user_id AND run.run_id = done.run_id
WHERE link.user_id = run.user_id AND link.connection_id = run.connection_id

-- name: start_over
-- Makes connections be read from their beginning with their next run.
UPDATE connections AS link SET synced_through = NULL, sync_cursor = ''
FROM unnest($1::bigint[], $2::bigint[]) AS asked (user_id, connection_id)
WHERE link.user_id = asked.user_id AND link.connection_id = asked.connection_id

-- name: settle_raw_objects
-- Records what became of raw pages: ingested, or dead with a reason.
UPDATE raw_objects AS object SET state = settled.state, error = settled.error, ingested_at = $5
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) AS settled (user_id, object_id, state, error)
WHERE object.user_id = settled.user_id AND object.object_id = settled.object_id

-- name: quarantine
-- Keeps rows that could not be read, with the reason.
INSERT INTO quarantined_rows (user_id, object_id, position, account_external_id, reason, excerpt)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::text[], $5::text[], $6::text[])
ON CONFLICT (user_id, object_id, position) DO NOTHING

-- name: import_of
-- Where the file of an import lies.
SELECT object_key, sha256, size_bytes FROM file_imports WHERE user_id = $1 AND import_id = $2

-- name: take_request
-- Takes one of the requests that a connection may make on a day; nothing when they are used up.
UPDATE connections SET requests = CASE WHEN requests_on = $3 THEN requests + 1 ELSE 1 END, requests_on = $3
WHERE user_id = $1 AND connection_id = $2 AND (requests_on IS DISTINCT FROM $3 OR requests < $4)
RETURNING requests

-- name: progress
-- What a run has done so far.
SELECT user_id, run_id, connection_id, state, pages, rows_total, rows_done, rows_added, rows_changed,
    rows_removed, rows_quarantined, rows_matched, error_code, error_message
FROM sync_runs WHERE user_id = $1 AND run_id = $2

-- name: take_due
-- Runs that persons wait for, that are due and that no job is believed to carry: marks them as carried, longer each time.
-- $5: their queue is known to be empty, so that what was sent again is carried by none, whatever was believed.
WITH due AS (
    SELECT user_id, run_id FROM sync_runs
    WHERE state NOT IN ('succeeded', 'failed') AND NOT background AND next_attempt_at <= $1
      AND (carried_until IS NULL OR carried_until <= $1 OR ($5::boolean AND carries > 1))
      AND (lease_until IS NULL OR lease_until < $1)
    ORDER BY next_attempt_at LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE sync_runs AS run SET carries = run.carries + 1,
    carried_until = $1 + make_interval(secs => least($4::float8, $3::float8 * 2 ^ least(run.carries, 10)))
FROM due WHERE run.user_id = due.user_id AND run.run_id = due.run_id
RETURNING run.user_id, run.run_id, run.state

-- name: take_due_background
-- The same of runs in the background.
WITH due AS (
    SELECT user_id, run_id FROM sync_runs
    WHERE state NOT IN ('succeeded', 'failed') AND background AND next_attempt_at <= $1
      AND (carried_until IS NULL OR carried_until <= $1 OR ($5::boolean AND carries > 1))
      AND (lease_until IS NULL OR lease_until < $1)
    ORDER BY next_attempt_at LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE sync_runs AS run SET carries = run.carries + 1,
    carried_until = $1 + make_interval(secs => least($4::float8, $3::float8 * 2 ^ least(run.carries, 10)))
FROM due WHERE run.user_id = due.user_id AND run.run_id = due.run_id
RETURNING run.user_id, run.run_id, run.state

-- name: purge_sessions
-- Forgets sessions that have ended; returns how many went.
WITH old AS (
    SELECT user_id, session_id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM sessions USING old
    WHERE sessions.user_id = old.user_id AND sessions.session_id = old.session_id RETURNING 1
)
SELECT count(*)::int AS purged FROM gone
