-- name: take_id
-- The id of a file that a person sends.
SELECT nextval(pg_get_serial_sequence('file_imports', 'import_id')) AS import_id

-- name: open_connection
-- The one connection that a person's files come through, made or taken up again.
INSERT INTO connections (user_id, institution_id, login_hint, login_key, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (user_id, institution_id, login_key) WHERE login_key <> ''
DO UPDATE SET status = 'active', disconnected_at = NULL
RETURNING connection_id

-- name: forget_unused_connection
-- Removes the connection of files again when none came through it.
DELETE FROM connections AS link
WHERE link.user_id = $1 AND link.connection_id = $2
    AND NOT EXISTS (SELECT FROM file_imports AS file WHERE file.user_id = $1 AND file.connection_id = $2)
    AND NOT EXISTS (SELECT FROM accounts AS account WHERE account.user_id = $1 AND account.connection_id = $2)

-- name: insert
-- Stores a file that was read, with the way it would go in.
INSERT INTO file_imports (user_id, import_id, connection_id, file_name, object_key, sha256, size_bytes, kind,
    signature, plan, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::jsonb, $11)

-- name: lock
-- One file of a person, locked against other writers.
SELECT import_id, connection_id, state, file_name, object_key, sha256, size_bytes, kind, signature,
    plan::text AS plan, created_at, decided_at
FROM file_imports WHERE user_id = $1 AND import_id = $2 FOR UPDATE

-- name: by_ids
-- Files of one person by their ids.
SELECT import_id, connection_id, state, file_name, object_key, sha256, size_bytes, kind, signature,
    plan::text AS plan, created_at, decided_at
FROM file_imports WHERE user_id = $1 AND import_id = ANY ($2::bigint[])

-- name: before
-- Files of one person before an id, newest first.
SELECT import_id, connection_id, state, file_name, object_key, sha256, size_bytes, kind, signature,
    plan::text AS plan, created_at, decided_at
FROM file_imports WHERE user_id = $1 AND import_id < $2 ORDER BY import_id DESC LIMIT $3

-- name: previewed_beyond
-- Files that wait to be confirmed, without the newest so many.
SELECT import_id, object_key FROM (
    SELECT import_id, object_key, row_number() OVER (ORDER BY import_id DESC) AS place
    FROM file_imports WHERE user_id = $1 AND state = 'previewed'
) AS waiting WHERE place > $2

-- name: same_file
-- When a person last imported exactly this file, and under what name.
SELECT file_name, decided_at FROM file_imports
WHERE user_id = $1 AND sha256 = $2 AND state = 'confirmed' ORDER BY import_id DESC LIMIT 1

-- name: change_plan
-- Writes how a file is read now that its person corrected it.
UPDATE file_imports SET kind = $3, signature = $4, plan = $5::text::jsonb WHERE user_id = $1 AND import_id = $2

-- name: settle
-- Writes what the person decided about files.
UPDATE file_imports SET state = $3, decided_at = $4 WHERE user_id = $1 AND import_id = ANY ($2::bigint[])

-- name: profile
-- How a person had files of this sort read before.
SELECT plan::text AS plan FROM file_profiles WHERE user_id = $1 AND signature = $2

-- name: put_profile
-- Remembers how files of this sort are read.
INSERT INTO file_profiles (user_id, signature, plan, updated_at) VALUES ($1, $2, $3::text::jsonb, $4)
ON CONFLICT (user_id, signature) DO UPDATE SET plan = excluded.plan, updated_at = excluded.updated_at

-- name: accounts
-- Accounts of a person, oldest first, with the institution they are read from: those that files may go into or, with
-- $2, those of connections that were ended as well.
SELECT account.account_id, account.connection_id, account.external_id, account.former_external_ids, account.name,
    account.kind, account.mask, account.currency, account.balance_at, link.institution_id
FROM accounts AS account
JOIN connections AS link ON link.user_id = account.user_id AND link.connection_id = account.connection_id
WHERE account.user_id = $1 AND ($2 OR link.status <> 'disconnected')
ORDER BY account.account_id

-- name: runs_of
-- The runs that brought files in.
SELECT import_id, run_id, state FROM sync_runs WHERE user_id = $1 AND import_id = ANY ($2::bigint[])

-- name: run_again
-- Lets the ended runs of files begin anew.
UPDATE sync_runs SET state = 'queued', next_attempt_at = $3, carried_until = $4, carries = 1, finished_at = NULL,
    error_code = NULL, error_message = NULL
WHERE user_id = $1 AND import_id = ANY ($2::bigint[]) AND state IN ('succeeded', 'failed')
RETURNING run_id

-- name: confirmed
-- How the files of a person that were taken in are read.
SELECT import_id, plan::text AS plan FROM file_imports WHERE user_id = $1 AND state = 'confirmed' ORDER BY import_id

-- name: pass_over_rows
-- Lets rows of other files that gave way to rows of a file which is taken back give way to what those gave way to.
WITH passed AS (
    UPDATE transaction_matches AS match SET to_id = row.successor_id
    FROM transactions AS row
    WHERE row.user_id = $1 AND row.import_id = $2 AND row.successor_id IS NOT NULL
        AND match.user_id = $1 AND match.to_id = row.transaction_id AND match.state = 'applied'
    RETURNING match.from_id, match.to_id
)
UPDATE transactions AS row SET successor_id = passed.to_id, updated_at = $3
FROM passed WHERE row.user_id = $1 AND row.transaction_id = passed.from_id

-- name: restore_rows
-- Lets rows count again that gave way to rows of a file which is taken back. That they did is forgotten, not kept as
-- undone: nobody said of the pair that it is none, and the file may come again.
WITH undone AS (
    DELETE FROM transaction_matches AS match USING transactions AS row
    WHERE match.user_id = $1 AND match.state = 'applied' AND row.user_id = $1 AND row.transaction_id = match.to_id
        AND row.import_id = $2 AND row.successor_id IS NULL AND row.removed_at IS NULL
    RETURNING match.from_id
)
UPDATE transactions AS row SET successor_id = NULL, updated_at = $3
FROM undone WHERE row.user_id = $1 AND row.transaction_id = undone.from_id
RETURNING row.transaction_id, row.posted_on

-- name: forget_matches
-- Forgets all that was found or decided about rows of a file which is taken back.
DELETE FROM transaction_matches AS match USING (
    SELECT row.transaction_id AS from_id FROM transactions AS row WHERE row.user_id = $1 AND row.import_id = $2
    UNION
    SELECT about.from_id FROM transactions AS row
    JOIN transaction_matches AS about ON about.user_id = row.user_id AND about.to_id = row.transaction_id
    WHERE row.user_id = $1 AND row.import_id = $2
) AS gone
WHERE match.user_id = $1 AND match.from_id = gone.from_id

-- name: remove_rows
-- Takes back the rows of a file and frees their ids for whoever tells of them again. Those that gave way to others
-- still lead to these, for whoever asks by the old id. `counted`: those that counted until now.
UPDATE transactions SET removed_at = coalesce(removed_at, $3), updated_at = $3,
    external_id = external_id || ':undone:' || import_id
WHERE user_id = $1 AND import_id = $2
RETURNING transaction_id, account_id, posted_on, successor_id IS NULL AND removed_at = $3 AS counted

-- name: take_up
-- Lets rows of files take up what a person had set on the same rows of imports that were taken back, where nothing is
-- set on them by now. The old rows lead to them, for whoever asks by the old id.
WITH found AS (
    SELECT DISTINCT ON (now.user_id, now.transaction_id) old.user_id, old.transaction_id AS old_id,
        now.transaction_id AS now_id, coalesce(now.successor_id, now.transaction_id) AS target_id, old.currency,
        old.category_id, old.category_source, old.category_detail, old.note, old.tags, old.part_category_ids,
        old.part_amounts_minor, old.part_notes, old.display_name, old.excluded_from_budgets
    FROM unnest($1::bigint[], $2::bigint[]) AS asked (user_id, import_id)
    JOIN file_imports AS file ON file.user_id = asked.user_id AND file.state = 'undone'
    JOIN transactions AS now ON now.user_id = asked.user_id AND now.import_id = asked.import_id
    -- Each is looked up by its key, whatever the planner believes of the table.
    CROSS JOIN LATERAL (
        SELECT * FROM transactions AS before
        WHERE before.user_id = now.user_id AND before.account_id = now.account_id
            AND before.external_id = now.external_id || ':undone:' || file.import_id AND before.successor_id IS NULL
        OFFSET 0
    ) AS old
    ORDER BY now.user_id, now.transaction_id, file.import_id DESC
), led AS (
    UPDATE transactions AS row SET successor_id = found.now_id, updated_at = $3
    FROM found WHERE row.user_id = found.user_id AND row.transaction_id = found.old_id
)
UPDATE transactions AS row SET
    note = coalesce(row.note, found.note), tags = coalesce(row.tags, found.tags),
    display_name = coalesce(row.display_name, found.display_name),
    excluded_from_budgets = coalesce(row.excluded_from_budgets, found.excluded_from_budgets),
    part_category_ids = CASE WHEN splits.take THEN found.part_category_ids ELSE row.part_category_ids END,
    part_amounts_minor = CASE WHEN splits.take THEN found.part_amounts_minor ELSE row.part_amounts_minor END,
    part_notes = CASE WHEN splits.take THEN found.part_notes ELSE row.part_notes END,
    category_id = CASE WHEN chosen.take THEN found.category_id ELSE row.category_id END,
    category_source = CASE WHEN chosen.take THEN found.category_source ELSE row.category_source END,
    category_detail = CASE WHEN chosen.take THEN found.category_detail ELSE row.category_detail END,
    updated_at = $3
FROM found
JOIN transactions AS target ON target.user_id = found.user_id AND target.transaction_id = found.target_id
CROSS JOIN LATERAL (
    SELECT target.part_category_ids IS NULL AND target.currency = found.currency AS take
) AS splits
CROSS JOIN LATERAL (
    SELECT target.category_source <> 'manual' AND found.category_source = 'manual' AS take
) AS chosen
WHERE row.user_id = found.user_id AND row.transaction_id = found.target_id
    AND (chosen.take OR found.excluded_from_budgets IS NOT NULL
        OR coalesce(found.note, found.tags[1], found.part_notes[1], found.display_name) IS NOT NULL)

-- name: forget_empty_accounts
-- Removes accounts that only files bring once none of their rows is left.
DELETE FROM accounts AS account
WHERE account.user_id = $1 AND account.connection_id = $2 AND account.account_id = ANY ($3::bigint[])
    AND NOT EXISTS (
        SELECT FROM transactions AS row WHERE row.user_id = $1 AND row.account_id = account.account_id
            AND row.removed_at IS NULL
    )

-- name: rows_around
-- Transactions of some accounts on days around those of a file, those that count no more too.
SELECT account_id, transaction_id, external_id, posted_on, amount_minor, currency, pending, description, merchant,
    merchant_key, category_id, category_source, category_detail, successor_id, removed_at IS NOT NULL AS removed,
    import_id
FROM transactions
WHERE user_id = $1 AND account_id = ANY ($2::bigint[]) AND posted_on BETWEEN $3 AND $4
