-- name: upsert_accounts
-- Writes accounts as the institution describes them now; rows that say nothing new are not written.
INSERT INTO accounts AS account (user_id, connection_id, external_id, name, kind, mask, currency,
    balance_minor, available_minor, balance_at)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::bigint[], $9::bigint[], $10::timestamptz[])
    AS said (user_id, connection_id, external_id, name, kind, mask, currency, balance_minor, available_minor,
        balance_at)
-- Most say nothing new, and a conflict would lock the row, which is a write. Nor does a balance older than the one that is
-- there, or one without its time.
WHERE NOT EXISTS (
    SELECT FROM accounts AS there
    WHERE there.user_id = said.user_id AND there.connection_id = said.connection_id
      AND there.external_id = said.external_id
      AND (there.name, there.kind, there.mask, there.currency) = (said.name, said.kind, said.mask, said.currency)
      AND (said.balance_at < there.balance_at OR (there.balance_minor, there.available_minor, there.balance_at)
          IS NOT DISTINCT FROM (said.balance_minor, said.available_minor, greatest(said.balance_at, there.balance_at)))
)
ORDER BY user_id, connection_id, external_id
ON CONFLICT (user_id, connection_id, external_id) DO UPDATE SET
    name = excluded.name, kind = excluded.kind, mask = excluded.mask, currency = excluded.currency,
    balance_minor = CASE WHEN excluded.balance_at < account.balance_at THEN account.balance_minor
        ELSE excluded.balance_minor END,
    available_minor = CASE WHEN excluded.balance_at < account.balance_at THEN account.available_minor
        ELSE excluded.available_minor END,
    balance_at = greatest(excluded.balance_at, account.balance_at)
WHERE (account.name, account.kind, account.mask, account.currency, account.balance_minor, account.available_minor,
        account.balance_at)
    IS DISTINCT FROM (excluded.name, excluded.kind, excluded.mask, excluded.currency, excluded.balance_minor,
        excluded.available_minor, excluded.balance_at)

-- name: continue_accounts
-- Goes on with accounts that the institution names by another id than before: of the same connection, kind,
-- currency, name and last digits, no longer named by the old id, and no second one like it on either side.
WITH said AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
        AS said (user_id, connection_id, external_id, name, kind, mask, currency)
), pairs AS (
    SELECT account.user_id, account.account_id, said.external_id,
        count(*) OVER (PARTITION BY account.user_id, account.account_id) AS news,
        count(*) OVER (PARTITION BY said.user_id, said.connection_id, said.external_id) AS olds
    FROM said
    JOIN accounts AS account ON account.user_id = said.user_id AND account.connection_id = said.connection_id
        AND account.kind = said.kind AND account.currency = said.currency AND account.mask = said.mask
        AND account.name = said.name
    WHERE said.mask <> ''
      AND NOT EXISTS (
          SELECT FROM accounts AS there WHERE there.user_id = said.user_id
            AND there.connection_id = said.connection_id AND there.external_id = said.external_id
      )
      AND NOT EXISTS (
          SELECT FROM said AS named WHERE named.user_id = account.user_id
            AND named.connection_id = account.connection_id AND named.external_id = account.external_id
      )
)
UPDATE accounts AS account SET external_id = pairs.external_id,
    former_external_ids = account.former_external_ids || account.external_id
FROM pairs
WHERE pairs.news = 1 AND pairs.olds = 1 AND account.user_id = pairs.user_id
  AND account.account_id = pairs.account_id

-- name: open_bound_sync
-- Makes sure that each of these accounts has its sync row.
INSERT INTO account_sync (user_id, account_id)
SELECT account.user_id, account.account_id FROM accounts AS account
JOIN unnest($1::bigint[], $2::bigint[]) AS asked (user_id, account_id)
    ON asked.user_id = account.user_id AND asked.account_id = account.account_id
ON CONFLICT DO NOTHING

-- name: read_bound
-- Accounts that files are imported into.
SELECT account.user_id, account.connection_id, account.external_id, account.account_id, ''::bytea AS seen,
    false AS is_new, false AS is_missing, false AS is_failing
FROM accounts AS account
JOIN unnest($1::bigint[], $2::bigint[]) AS asked (user_id, account_id)
    ON asked.user_id = account.user_id AND asked.account_id = account.account_id
JOIN account_sync AS sync ON sync.user_id = account.user_id AND sync.account_id = account.account_id

-- name: settle_accounts
-- Notes which accounts of these connections failed while others did not, and which no longer do; returns those that
-- have recovered.
WITH asked AS (
    SELECT DISTINCT * FROM unnest($1::bigint[], $2::bigint[]) AS asked (user_id, connection_id)
), failed AS (
    SELECT * FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[])
        AS failed (user_id, connection_id, external_id, code, message, action)
), before AS (
    SELECT account.user_id, account.connection_id, account.account_id, account.error_code, failed.code,
        failed.message, failed.action
    FROM asked JOIN accounts AS account USING (user_id, connection_id)
    LEFT JOIN failed USING (user_id, connection_id, external_id)
    WHERE (account.error_code, account.error_message) IS DISTINCT FROM (failed.code, failed.message)
), written AS (
    UPDATE accounts AS account SET error_code = before.code, error_message = before.message,
        error_action = before.action,
        failing_since = CASE WHEN before.code IS NOT NULL THEN coalesce(account.failing_since, $9) END
    FROM before WHERE account.user_id = before.user_id AND account.account_id = before.account_id
)
SELECT user_id, connection_id FROM before WHERE error_code IS NOT NULL AND code IS NULL

-- name: open_account_sync
-- Makes sure that each account of these connections has its sync row.
INSERT INTO account_sync (user_id, account_id)
SELECT account.user_id, account.account_id FROM accounts AS account
JOIN unnest($1::bigint[], $2::bigint[]) AS asked (user_id, connection_id)
    ON asked.user_id = account.user_id AND asked.connection_id = account.connection_id
WHERE NOT EXISTS (
    SELECT FROM account_sync AS sync WHERE sync.user_id = account.user_id AND sync.account_id = account.account_id
)
ON CONFLICT DO NOTHING

-- name: read_seen
-- Accounts of these connections with what of their rows is known; `is_new`: they are of this transaction. Whoever writes
-- that holds the person's lock, and a lock of each row would be a write.
SELECT account.user_id, account.connection_id, account.external_id, account.account_id, sync.seen,
    account.created_at = now() AS is_new, account.missing_since IS NOT NULL AS is_missing,
    account.error_code IS NOT NULL AS is_failing
FROM accounts AS account
JOIN unnest($1::bigint[], $2::bigint[]) AS asked (user_id, connection_id)
    ON asked.user_id = account.user_id AND asked.connection_id = account.connection_id
JOIN account_sync AS sync ON sync.user_id = account.user_id AND sync.account_id = account.account_id

-- name: note_missing
-- Notes since when accounts of these connections are not named any more, or that they are again.
WITH named AS (
    SELECT account.user_id, account.account_id, EXISTS (
        SELECT FROM unnest($3::bigint[], $4::bigint[], $5::text[]) AS said (user_id, connection_id, external_id)
        WHERE said.user_id = account.user_id AND said.connection_id = account.connection_id
          AND said.external_id = account.external_id
    ) AS is_named
    FROM accounts AS account
    JOIN unnest($1::bigint[], $2::bigint[]) AS asked (user_id, connection_id)
        ON asked.user_id = account.user_id AND asked.connection_id = account.connection_id
)
UPDATE accounts AS account SET missing_since = CASE WHEN NOT named.is_named THEN $6::timestamptz END
FROM named
WHERE account.user_id = named.user_id AND account.account_id = named.account_id
  AND (account.missing_since IS NOT NULL) = named.is_named

-- name: write_seen
-- Replaces the packed lists of known rows, where one is given, and adds the days that were told of completely.
UPDATE account_sync AS sync SET seen = coalesce(said.seen, sync.seen),
    covered = sync.covered + CASE WHEN said.first_day IS NULL THEN '{}'::datemultirange
        ELSE datemultirange(daterange(said.first_day, said.last_day, '[]')) END
FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::date[], $5::date[])
    AS said (user_id, account_id, seen, first_day, last_day)
WHERE sync.user_id = said.user_id AND sync.account_id = said.account_id
  AND (sync.seen <> said.seen
      OR (said.first_day IS NOT NULL AND NOT sync.covered @> daterange(said.first_day, said.last_day, '[]')))

-- name: take_ids
-- First numbers of so many blocks of transaction ids, 1000 to a block.
SELECT nextval('transaction_ids') AS first FROM generate_series(1, $1::int)

-- name: stored_pending
-- Pending rows without a successor of these accounts, removed ones from a day on among them, with
-- what holds of a match of each.
SELECT user_id, account_id, transaction_id, external_id, posted_on, amount_minor, currency, pending, description,
    merchant, merchant_key, category_id, category_source, category_detail, institution_code, successor_id,
    removed_at, import_id, note, tags, part_category_ids, part_amounts_minor, part_notes, display_name,
    excluded_from_budgets, NULL::text[] AS stands_for,
    -- A scalar sub-select is looked up by key for each row, whatever the planner believes of the table.
    (
        SELECT match.state FROM transaction_matches AS match
        WHERE match.user_id = row.user_id AND match.from_id = row.transaction_id
    ) AS match_state
FROM unnest($1::bigint[], $2::bigint[]) AS asked (of_user_id, of_account_id)
-- OFFSET 0: each account's are looked up by its key, however few pending rows the planner believes there are.
CROSS JOIN LATERAL (
    SELECT * FROM transactions AS waiting
    WHERE waiting.user_id = of_user_id AND waiting.account_id = of_account_id AND waiting.pending
      AND waiting.successor_id IS NULL AND (waiting.removed_at IS NULL OR waiting.posted_on >= $3)
    OFFSET 0
) AS row

-- name: stored_rows
-- Rows of these accounts with these external ids.
SELECT user_id, account_id, transaction_id, external_id, posted_on, amount_minor, currency, pending, description,
    merchant, merchant_key, category_id, category_source, category_detail, institution_code, successor_id,
    removed_at, import_id, note, tags, part_category_ids, part_amounts_minor, part_notes, display_name,
    excluded_from_budgets, NULL::text[] AS stands_for
FROM transactions
JOIN unnest($1::bigint[], $2::bigint[], $3::text[]) AS asked (user_id, account_id, external_id)
    USING (user_id, account_id, external_id)

-- name: near_rows
-- Posted rows without a successor of these accounts that have one of these amounts; none that a person decided on. Of
-- persons who imported files those $6 days before the first and after the last day; of others those of $7 to $8, the days
-- that a run tells of completely, and those that were taken back. Each account's days are walked once, whatever the
-- number of amounts. `stands_for`: the ids of rows that gave way, which matter where files are.
SELECT DISTINCT ON (user_id, account_id, transaction_id) row.user_id, row.account_id, row.transaction_id, external_id,
    row.posted_on, row.amount_minor, row.currency, pending, description, merchant, merchant_key, category_id,
    category_source, category_detail, institution_code, successor_id, removed_at, import_id, note, tags,
    part_category_ids, part_amounts_minor, part_notes, display_name, excluded_from_budgets,
    CASE WHEN asked.has_files THEN ARRAY (
        WITH RECURSIVE gave_way AS (
            SELECT match.from_id, 1 AS steps FROM transaction_matches AS match
            WHERE match.user_id = row.user_id AND match.to_id = row.transaction_id AND match.state = 'applied'
            UNION ALL
            SELECT match.from_id, gave_way.steps + 1
            FROM gave_way JOIN transaction_matches AS match
                ON match.user_id = row.user_id AND match.to_id = gave_way.from_id AND match.state = 'applied'
            WHERE gave_way.steps < 500
        )
        SELECT (
            SELECT old.external_id FROM transactions AS old
            WHERE old.user_id = row.user_id AND old.transaction_id = gave_way.from_id
        )
        FROM gave_way
    ) END AS stands_for
FROM (
    SELECT user_id, account_id, amounts::bigint[] AS amounts_minor, first_day, last_day, has_files,
        CASE WHEN has_files THEN first_day - $6::int ELSE shown_first END AS walked_first,
        CASE WHEN has_files THEN last_day + $6::int ELSE shown_last END AS walked_last
    FROM unnest($1::bigint[], $2::bigint[], $3::date[], $4::date[], $5::text[], $7::date[], $8::date[])
        AS said (user_id, account_id, first_day, last_day, amounts, shown_first, shown_last)
    CROSS JOIN LATERAL (
        SELECT EXISTS (SELECT FROM file_imports AS file WHERE file.user_id = said.user_id) AS has_files
    ) AS person
    OFFSET 0  -- The amounts are read once, not for each row that is looked at.
) AS asked
-- Two branches, each with an index of its own: rows that count, and the few that were taken back.
CROSS JOIN LATERAL (
    SELECT * FROM transactions AS live
    WHERE live.user_id = asked.user_id AND live.account_id = asked.account_id
      AND live.posted_on BETWEEN asked.walked_first AND asked.walked_last
      AND live.amount_minor = ANY (asked.amounts_minor) AND NOT live.pending
      AND live.successor_id IS NULL AND live.removed_at IS NULL
    UNION ALL
    SELECT * FROM transactions AS removed
    WHERE removed.user_id = asked.user_id AND removed.account_id = asked.account_id
      AND removed.posted_on BETWEEN asked.first_day AND asked.last_day
      AND removed.amount_minor = ANY (asked.amounts_minor) AND NOT removed.pending
      AND removed.successor_id IS NULL AND removed.removed_at IS NOT NULL
) AS row
WHERE NOT coalesce((
    SELECT decided.state IN ('dismissed', 'undone') FROM transaction_matches AS decided
    WHERE decided.user_id = row.user_id AND decided.from_id = row.transaction_id
), false)

-- name: coverage
-- First and last day of the rows of these accounts, by where they came from.
SELECT user_id, account_id, import_id, min(posted_on) AS first_day, max(posted_on) AS last_day
FROM transactions JOIN unnest($1::bigint[], $2::bigint[]) AS asked (user_id, account_id) USING (user_id, account_id)
GROUP BY 1, 2, 3

-- name: covered_days
-- Days of which the connections of these accounts have told completely.
SELECT user_id, account_id, lower(days) AS first_day, upper(days) - 1 AS last_day
FROM account_sync JOIN unnest($1::bigint[], $2::bigint[]) AS asked (user_id, account_id) USING (user_id, account_id)
CROSS JOIN LATERAL unnest(covered) AS days

-- name: change_rows
-- Writes changed rows; the category as well, where the row had none.
UPDATE transactions AS row SET posted_on = said.posted_on, amount_minor = said.amount_minor,
    currency = said.currency, pending = said.pending, description = said.description, merchant = said.merchant,
    merchant_key = said.merchant_key, category_id = said.category_id, category_source = said.category_source,
    category_detail = said.category_detail, institution_code = said.institution_code,
    object_id = coalesce(said.object_id, row.object_id), successor_id = said.successor_id, removed_at = NULL,
    updated_at = $16
FROM unnest($1::bigint[], $2::bigint[], $3::date[], $4::bigint[], $5::text[], $6::boolean[], $7::text[],
    $8::text[], $9::text[], $10::int[], $11::text[], $12::text[], $13::text[],
    $14::bigint[], $15::bigint[])
    AS said (user_id, transaction_id, posted_on, amount_minor, currency, pending, description, merchant,
        merchant_key, category_id, category_source, category_detail, institution_code, object_id, successor_id)
WHERE row.user_id = said.user_id AND row.transaction_id = said.transaction_id

-- name: remove_rows
-- Marks rows as taken back by the institution; they count no more.
UPDATE transactions AS row SET removed_at = $3, updated_at = $3
FROM unnest($1::bigint[], $2::bigint[]) AS said (user_id, transaction_id)
WHERE row.user_id = said.user_id AND row.transaction_id = said.transaction_id
