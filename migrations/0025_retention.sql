-- Old months are moved to the object store (docs/decisions/retention.md). One row for each (person, month) that was.

-- Rows that are only moved do not come or go: whoever moves them says so for the transaction, and then neither sums nor
-- the log of changes move.
CREATE FUNCTION moving_rows() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(current_setting('mintql.moving_rows', true), '') = 'on'
$$;

DO $$
DECLARE
    made record;
BEGIN
    FOR made IN
        SELECT tgrelid::regclass AS place, tgname AS name, pg_get_triggerdef(oid) AS definition
        FROM pg_trigger
        WHERE tgrelid IN ('transactions'::regclass, 'transfers'::regclass, 'transaction_matches'::regclass)
          AND NOT tgisinternal AND pg_get_triggerdef(oid) ~ ' FOR EACH STATEMENT EXECUTE '
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', made.name, made.place);
        EXECUTE replace(made.definition, ' FOR EACH STATEMENT EXECUTE ',
            ' FOR EACH STATEMENT WHEN (NOT moving_rows()) EXECUTE ');
    END LOOP;
END $$;

CREATE TABLE archived_months (
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    month date NOT NULL CHECK (month = date_trunc('month', month)),
    -- A month that was brought back stays in the database for a while, then it is archived anew.
    state text NOT NULL CHECK (state IN ('archived', 'restored')),
    object_key text NOT NULL CHECK (starts_with(object_key, format('archive/%s/', user_id))),
    -- SHA-256 over all rows that were moved.
    digest bytea NOT NULL CHECK (length(digest) = 32),
    row_count int NOT NULL CHECK (row_count > 0),
    first_id bigint NOT NULL,
    last_id bigint NOT NULL CHECK (last_id >= first_id),
    -- The first day of which a transaction counts; NULL where none does.
    first_on date,
    account_ids bigint[] NOT NULL,
    tags text[] NOT NULL,
    tag_counts int[] NOT NULL CHECK (cardinality(tag_counts) = cardinality(tags)),
    -- What the rows add to monthly_spending, which keeps it: one place in each list for a category and currency.
    sum_category_ids int[] NOT NULL,
    sum_currencies text[] NOT NULL CHECK (cardinality(sum_currencies) = cardinality(sum_category_ids)),
    sum_minor bigint[] NOT NULL CHECK (cardinality(sum_minor) = cardinality(sum_category_ids)),
    sum_counts int[] NOT NULL CHECK (cardinality(sum_counts) = cardinality(sum_category_ids)),
    sum_excluded_minor bigint[] NOT NULL CHECK (cardinality(sum_excluded_minor) = cardinality(sum_category_ids)),
    archived_at timestamptz NOT NULL,
    restored_at timestamptz,
    -- When the object of a month that was brought back was removed.
    tidied_at timestamptz,
    PRIMARY KEY (user_id, month),
    CHECK ((restored_at IS NOT NULL) = (state = 'restored'))
);
CREATE INDEX archived_months_untidy_idx ON archived_months (restored_at)
    WHERE state = 'restored' AND tidied_at IS NULL;

ALTER TABLE archived_months ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON archived_months USING (user_id = (SELECT current_user_id()));
-- The API brings months back; only workers archive.
GRANT SELECT, UPDATE ON archived_months TO mintql_api;
GRANT SELECT (user_id, month, state, object_key, digest, row_count, first_id, last_id, first_on, account_ids, tags,
    tag_counts, sum_category_ids) ON archived_months TO mintql_household;
CREATE POLICY shared_rows ON archived_months AS RESTRICTIVE TO mintql_household USING (
    (SELECT shared_accounts()) IS NULL OR account_ids && (SELECT shared_accounts())::bigint[]);

-- Rows that were read from the object store pass no policy; this is that of `transactions` for members of a household.
CREATE FUNCTION archive_shows(of_account_id bigint) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT current_user <> 'mintql_household' OR shared_accounts() IS NULL OR of_account_id = ANY (shared_accounts())
$$;

-- Since when anything may be archived; empty where nothing ever was. Processes that read ask now and then, and need not
-- look for archived months until then: nothing is moved before all of them have had time to see it.
CREATE TABLE archive_use (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    begun_at timestamptz NOT NULL
);
GRANT SELECT ON archive_use TO mintql_api, mintql_household;
