-- name: accounts
-- Accounts of persons by every name that lines of the raw log may call them, the present one before former ones: by a
-- connection and the institution's name, also by connections that go on in this one; by files under names of files, or
-- under their own number.
WITH links AS (
    SELECT user_id, connection_id, institution_id, known_as
    FROM connections CROSS JOIN LATERAL unnest(former_ids || connection_id) AS former (known_as)
    WHERE user_id = ANY ($1::bigint[])
), names AS (
    SELECT user_id, connection_id, account_id, said AS name, said = external_id AS present
    FROM accounts CROSS JOIN LATERAL unnest(former_external_ids || external_id) AS every (said)
    WHERE user_id = ANY ($1::bigint[])
), called AS (
    SELECT names.user_id, links.known_as AS connection_id, names.name AS account, names.account_id, names.present
    FROM names JOIN links ON links.user_id = names.user_id AND links.connection_id = names.connection_id
    UNION ALL
    SELECT names.user_id, links.known_as, names.name, names.account_id, false
    FROM names JOIN links ON links.user_id = names.user_id AND links.institution_id = $2
    WHERE starts_with(names.name, 'file:')
    UNION ALL
    SELECT accounts.user_id, links.known_as, '=' || accounts.account_id, accounts.account_id, true
    FROM accounts JOIN links ON links.user_id = accounts.user_id AND links.institution_id = $2
)
SELECT DISTINCT ON (user_id, connection_id, account) user_id, connection_id, account, account_id
FROM called ORDER BY user_id, connection_id, account, present DESC, account_id

-- name: runs_left_out
-- Runs whose lines in the raw log are not in the database: of imports that were undone, and those that were begun but
-- of which nothing was taken in.
SELECT run.run_id FROM sync_runs AS run
WHERE run.user_id = ANY ($1::bigint[]) AND (
    (
        SELECT file.state FROM file_imports AS file
        WHERE file.user_id = run.user_id AND file.import_id = run.import_id
    ) = 'undone'
    OR (run.state <> 'succeeded' AND run.attempt > 0 AND run.rows_done = 0 AND (
        SELECT object.object_id FROM raw_objects AS object
        WHERE object.user_id = run.user_id AND object.run_id = run.run_id AND object.state = 'ingested' LIMIT 1
    ) IS NULL)
)

-- name: last_run
-- The latest number that a run was given.
SELECT coalesce(pg_sequence_last_value('sync_runs_run_id_seq'), 0) AS run_id

-- name: moving
-- Persons of whom a run is being taken in, or came to its end before all of it was.
SELECT DISTINCT user_id FROM sync_runs
WHERE user_id = ANY ($1::bigint[]) AND (state IN ('extracted', 'ingesting') OR (state <> 'succeeded' AND rows_done > 0))

-- name: clues
-- What the counted transactions of persons show of themselves, and where they are, each combination once; and whether they
-- have an institution's code and were written again since they came.
SELECT DISTINCT description, amount_minor > 0 AS income, currency, institution_code, category_id,
    institution_code <> '' AND updated_at <> created_at AS rewritten
FROM transactions
WHERE user_id = ANY ($1::bigint[]) AND successor_id IS NULL AND removed_at IS NULL

-- name: decided
-- Transactions of persons of which the database knows more than the raw log says: pending ones that count, others that
-- do not, those in another category than their clues lead to, split ones, and those that budgets leave out.
SELECT row.user_id, row.account_id, row.external_id, row.category_id, row.category_source, row.successor_id,
    row.removed_at, row.part_category_ids, row.part_amounts_minor, row.excluded_from_budgets
FROM transactions AS row
LEFT JOIN unnest($2::text[], $3::boolean[], $4::text[], $5::text[], $6::int[], $7::boolean[])
    AS other (description, income, currency, institution_code, category_id, rewritten)
    ON other.description = row.description AND other.income = (row.amount_minor > 0)
    AND other.currency = row.currency AND other.institution_code = row.institution_code
    AND other.category_id = row.category_id
    AND other.rewritten = (row.institution_code <> '' AND row.updated_at <> row.created_at)
WHERE row.user_id = ANY ($1::bigint[])
  AND (row.pending = (row.successor_id IS NULL AND row.removed_at IS NULL) OR (
      row.successor_id IS NULL AND row.removed_at IS NULL AND (
          other.category_id IS NOT NULL OR row.part_category_ids IS NOT NULL OR row.excluded_from_budgets
      )
  ))

-- name: archived
-- Months of persons that lie in the object store.
SELECT user_id, month, state, object_key, digest, row_count, account_ids FROM archived_months
WHERE user_id = ANY ($1::bigint[]) AND state = 'archived' ORDER BY user_id, month

-- name: stored
-- Sums of persons that are not nought, as they are stored.
SELECT user_id, month, category_id, currency, posted_minor, pending_minor, posted_count, pending_count,
    excluded_posted_minor, excluded_pending_minor
FROM monthly_spending
WHERE user_id = ANY ($1::bigint[]) AND (posted_minor, pending_minor, posted_count, pending_count,
    excluded_posted_minor, excluded_pending_minor) <> (0, 0, 0, 0, 0, 0)
ORDER BY user_id, month, category_id, currency

-- name: correct
-- Adds to sums what they lack. A sum moves by what is added to it, so this is right whatever was added meanwhile.
INSERT INTO monthly_spending AS sums (user_id, month, category_id, currency, posted_minor, pending_minor, posted_count,
    pending_count, excluded_posted_minor, excluded_pending_minor)
SELECT * FROM unnest($1::bigint[], $2::date[], $3::int[], $4::text[], $5::bigint[], $6::bigint[], $7::int[],
    $8::int[], $9::bigint[], $10::bigint[])
ORDER BY 1, 2, 3, 4
ON CONFLICT (user_id, month, category_id, currency) DO UPDATE SET
    posted_minor = sums.posted_minor + excluded.posted_minor,
    pending_minor = sums.pending_minor + excluded.pending_minor,
    posted_count = sums.posted_count + excluded.posted_count,
    pending_count = sums.pending_count + excluded.pending_count,
    excluded_posted_minor = sums.excluded_posted_minor + excluded.excluded_posted_minor,
    excluded_pending_minor = sums.excluded_pending_minor + excluded.excluded_pending_minor
