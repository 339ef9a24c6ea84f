-- Synchronising with real institutions and real files: which rows stand for one another, whole accounts that
-- fail alone, allowances, files that people import, and what a person writes onto a transaction.

-- What a person set on a transaction. NULL where they set nothing, which is nearly everywhere.
-- Parts of a split carry a part of the amount into categories of their own; the transaction's own category
-- keeps the rest.
ALTER TABLE transactions
    ADD COLUMN note text CHECK (length(note) <= 2000),
    ADD COLUMN tags text[] CHECK (cardinality(tags) <= 20),
    ADD COLUMN part_category_ids int[],
    ADD COLUMN part_amounts_minor bigint[],
    ADD COLUMN part_notes text[],
    -- The file that brought the row; NULL for rows of a live connection.
    ADD COLUMN import_id bigint,
    ADD CHECK (cardinality(part_category_ids) <= 50),
    ADD CHECK (
        (part_category_ids IS NULL AND part_amounts_minor IS NULL AND part_notes IS NULL)
        OR (cardinality(part_category_ids) > 0
            AND cardinality(part_category_ids) = cardinality(part_amounts_minor)
            AND cardinality(part_category_ids) = cardinality(part_notes))
    );

-- Pending rows without a successor, those that vanished lately among them: a posted row may still claim them.
DROP INDEX transactions_pending_idx;
CREATE INDEX transactions_pending_idx ON transactions (user_id, account_id, posted_on)
    WHERE pending AND successor_id IS NULL;
CREATE INDEX transactions_removed_idx ON transactions (user_id, account_id, posted_on)
    WHERE removed_at IS NOT NULL AND successor_id IS NULL;
CREATE INDEX transactions_import_idx ON transactions (user_id, import_id, account_id) WHERE import_id IS NOT NULL;

-- Which transaction stands for which: every such decision, by whom and why. `from_id` gives way to `to_id`. One
-- that a person undid or dismissed stays here, so that the machine does not take it up again.
CREATE TABLE transaction_matches (
    user_id bigint NOT NULL,
    from_id bigint NOT NULL,
    to_id bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('pending_link', 'pending_exact', 'pending_tip', 'changed_id', 'same_purchase')),
    state text NOT NULL CHECK (state IN ('applied', 'suggested', 'dismissed', 'undone')),
    run_id bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- When the person confirmed, dismissed or undid it; NULL while it is the machine's word alone.
    decided_at timestamptz,
    PRIMARY KEY (user_id, from_id),
    FOREIGN KEY (user_id, from_id) REFERENCES transactions ON DELETE CASCADE,
    FOREIGN KEY (user_id, to_id) REFERENCES transactions ON DELETE CASCADE
);
CREATE INDEX transaction_matches_to_idx ON transaction_matches (user_id, to_id);
CREATE INDEX transaction_matches_suggested_idx ON transaction_matches (user_id, from_id) WHERE state = 'suggested';

-- Days of which the connection has told completely, for those that are asked for windows of days.
ALTER TABLE account_sync ADD COLUMN covered datemultirange NOT NULL DEFAULT '{}';

ALTER TABLE connections
    -- A hash by which an institution's webhook finds the connection; empty where it sends none.
    ADD COLUMN webhook_key bytea NOT NULL DEFAULT '' CHECK (length(webhook_key) IN (0, 32)),
    -- Requests made on a day (UTC), for institutions that allow so many a day.
    ADD COLUMN requests_on date,
    ADD COLUMN requests int NOT NULL DEFAULT 0;
CREATE INDEX connections_webhook_idx ON connections (webhook_key) WHERE webhook_key <> '';

-- One account can fail while the others go on.
ALTER TABLE accounts
    ADD COLUMN error_code text,
    ADD COLUMN error_message text,
    ADD COLUMN error_action text,
    ADD COLUMN failing_since timestamptz,
    -- Ids the institution knew the account by before; what it said then speaks of the same account.
    ADD COLUMN former_external_ids text[] NOT NULL DEFAULT '{}';

ALTER TABLE sync_runs
    DROP CONSTRAINT sync_runs_reason_check,
    ADD CONSTRAINT sync_runs_reason_check CHECK (reason IN ('link', 'request', 'daily', 'webhook', 'import')),
    ADD COLUMN balances_only boolean NOT NULL DEFAULT false,
    ADD COLUMN import_id bigint,
    -- Whether a run without windows of days brought the whole history, from an empty cursor.
    ADD COLUMN whole boolean NOT NULL DEFAULT false,
    -- [{account, code, message, action}] of accounts that could not be fetched while others could.
    ADD COLUMN account_failures jsonb NOT NULL DEFAULT '[]',
    -- What the institution had to say to the person.
    ADD COLUMN notices text[] NOT NULL DEFAULT '{}',
    -- Rows that were found to be ones that are there already, or took the place of such.
    ADD COLUMN rows_matched int NOT NULL DEFAULT 0;
DROP INDEX sync_runs_open_key;
CREATE UNIQUE INDEX sync_runs_open_key ON sync_runs (user_id, connection_id)
    WHERE state NOT IN ('succeeded', 'failed') AND reason <> 'import';
CREATE UNIQUE INDEX sync_runs_import_key ON sync_runs (user_id, import_id) WHERE import_id IS NOT NULL;

-- A file a person sent: kept as it came, shown as it would be read, and ingested once they confirm. `plan` says
-- how it is read and into which accounts; it is written beside the file when the import is confirmed.
CREATE TABLE file_imports (
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    import_id bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY,
    connection_id bigint NOT NULL,
    state text NOT NULL DEFAULT 'previewed' CHECK (state IN ('previewed', 'confirmed', 'discarded', 'undone')),
    file_name text NOT NULL CHECK (length(file_name) <= 255),
    object_key text NOT NULL,
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    size_bytes bigint NOT NULL,
    kind text NOT NULL,
    signature text NOT NULL DEFAULT '',
    plan jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    decided_at timestamptz,
    PRIMARY KEY (user_id, import_id),
    FOREIGN KEY (user_id, connection_id) REFERENCES connections ON DELETE CASCADE
);
CREATE INDEX file_imports_connection_idx ON file_imports (user_id, connection_id);

-- What a file brought goes with it, into whichever account it went.
ALTER TABLE transactions ADD FOREIGN KEY (user_id, import_id) REFERENCES file_imports ON DELETE CASCADE;

-- How a person had files of one sort read, and into which accounts, for the next one of that sort.
CREATE TABLE file_profiles (
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    signature text NOT NULL CHECK (length(signature) BETWEEN 1 AND 500),
    plan jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, signature)
);

-- Sealed logins of ended connections whose institution has still to be told; gone once it was, or when time is up.
-- No reference to connections: they may be gone already.
CREATE TABLE farewells (
    user_id bigint NOT NULL,
    connection_id bigint NOT NULL,
    institution_id text NOT NULL,
    key_version int NOT NULL,
    wrapped_key bytea NOT NULL,
    ciphertext bytea NOT NULL,
    tries int NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, connection_id)
);
CREATE INDEX farewells_due_idx ON farewells (next_attempt_at);

-- The API may end a login but not read it: this moves it out of its reach, for a worker to use once.
CREATE FUNCTION part_with_secret(ended_id bigint, until timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH gone AS (
        DELETE FROM connection_secrets AS secret
        WHERE secret.user_id = current_user_id() AND secret.connection_id = ended_id
        RETURNING secret.user_id, secret.connection_id, key_version, wrapped_key, ciphertext
    )
    INSERT INTO farewells (user_id, connection_id, institution_id, key_version, wrapped_key, ciphertext, expires_at)
    SELECT gone.user_id, gone.connection_id, link.institution_id, gone.key_version, gone.wrapped_key, gone.ciphertext,
        until
    FROM gone JOIN connections AS link USING (user_id, connection_id)
    ON CONFLICT (user_id, connection_id) DO UPDATE SET key_version = excluded.key_version,
        wrapped_key = excluded.wrapped_key, ciphertext = excluded.ciphertext, tries = 0, next_attempt_at = now(),
        expires_at = excluded.expires_at
$$;

-- A webhook names a login at the institution, and is not signed in as anybody.
CREATE FUNCTION connections_by_webhook(wanted bytea) RETURNS TABLE (user_id bigint, connection_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT link.user_id, link.connection_id FROM connections AS link
    WHERE link.webhook_key = wanted AND link.webhook_key <> '' AND link.status <> 'disconnected'
$$;

DO $$
DECLARE
    table_name text;
BEGIN
    FOREACH table_name IN ARRAY ARRAY['transaction_matches', 'file_imports', 'file_profiles', 'farewells'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', table_name);
        EXECUTE format('CREATE POLICY own_rows ON %I USING (user_id = (SELECT current_user_id()))', table_name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO mintql_api', table_name);
    END LOOP;
END $$;
REVOKE ALL ON farewells FROM mintql_api;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO mintql_api;
REVOKE ALL ON FUNCTION part_with_secret(bigint, timestamptz), connections_by_webhook(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION part_with_secret(bigint, timestamptz), connections_by_webhook(bytea) TO mintql_api;
