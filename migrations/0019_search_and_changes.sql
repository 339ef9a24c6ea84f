-- What changed since a client looked last: which transactions came, changed or went, one row for each (statement,
-- person), written by triggers, so that no writer can forget it. The rows themselves are read when a client asks.
--
-- `seq` is taken from the person's counter, whose row the writer then holds until its commit: a later seq never becomes
-- visible before an earlier one, whether the writer holds the person's advisory lock or not.
ALTER TABLE user_counters ADD COLUMN change_seq bigint NOT NULL DEFAULT 0;
CREATE TABLE transaction_changes (
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    seq bigint NOT NULL,
    -- Transactions that began to count, that count as before but look different, and that ceased to count.
    added_ids bigint[],
    changed_ids bigint[],
    removed_ids bigint[],
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, seq),
    CHECK (num_nonnulls(added_ids, changed_ids, removed_ids) > 0)
);
CREATE INDEX transaction_changes_created_at_idx ON transaction_changes USING brin (created_at);

-- When anything of a kind changed last; one row for each (person, kind).
CREATE TABLE kind_changes (
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('accounts', 'connections', 'categories', 'budgets', 'rules', 'viewer')),
    seq bigint NOT NULL,
    PRIMARY KEY (user_id, kind)
) WITH (fillfactor = 70);

-- A person who is being deleted has no counter any more, and nobody to tell: the functions then write nothing.
CREATE FUNCTION transactions_log_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH told AS (
        SELECT user_id, array_agg(transaction_id ORDER BY transaction_id) AS ids
        FROM added WHERE successor_id IS NULL AND removed_at IS NULL
        GROUP BY user_id
    ), numbered AS (
        UPDATE user_counters AS counters SET change_seq = counters.change_seq + 1
        FROM told WHERE counters.user_id = told.user_id
        RETURNING counters.user_id, counters.change_seq, told.ids
    )
    INSERT INTO transaction_changes (user_id, seq, added_ids) SELECT user_id, change_seq, ids FROM numbered;
    RETURN NULL;
END $$;

CREATE FUNCTION transactions_log_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH compared AS (
        SELECT user_id, transaction_id, gone.successor_id IS NULL AND gone.removed_at IS NULL AS counted,
               added.successor_id IS NULL AND added.removed_at IS NULL AS counts
        FROM added JOIN gone USING (user_id, transaction_id)
    ), told AS (
        SELECT user_id,
               array_agg(transaction_id ORDER BY transaction_id) FILTER (WHERE counts AND NOT counted) AS came_ids,
               array_agg(transaction_id ORDER BY transaction_id) FILTER (WHERE counts AND counted) AS changed_ids,
               array_agg(transaction_id ORDER BY transaction_id) FILTER (WHERE counted AND NOT counts) AS went_ids
        FROM compared WHERE counted OR counts
        GROUP BY user_id
    ), numbered AS (
        UPDATE user_counters AS counters SET change_seq = counters.change_seq + 1
        FROM told WHERE counters.user_id = told.user_id
        RETURNING counters.user_id, counters.change_seq, told.came_ids, told.changed_ids, told.went_ids
    )
    INSERT INTO transaction_changes (user_id, seq, added_ids, changed_ids, removed_ids)
    SELECT user_id, change_seq, came_ids, changed_ids, went_ids FROM numbered;
    RETURN NULL;
END $$;

CREATE FUNCTION transactions_log_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH told AS (
        SELECT user_id, array_agg(transaction_id ORDER BY transaction_id) AS ids
        FROM gone WHERE successor_id IS NULL AND removed_at IS NULL
        GROUP BY user_id
    ), numbered AS (
        UPDATE user_counters AS counters SET change_seq = counters.change_seq + 1
        FROM told WHERE counters.user_id = told.user_id
        RETURNING counters.user_id, counters.change_seq, told.ids
    )
    INSERT INTO transaction_changes (user_id, seq, removed_ids) SELECT user_id, change_seq, ids FROM numbered;
    RETURN NULL;
END $$;

-- Triggers of a statement run in the order of their names: these after those that move the sums, so that
-- monthly_spending is locked before user_counters.
CREATE TRIGGER transactions_log_added AFTER INSERT ON transactions
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION transactions_log_added();
CREATE TRIGGER transactions_log_changed AFTER UPDATE ON transactions
    REFERENCING NEW TABLE AS added OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION transactions_log_changed();
CREATE TRIGGER transactions_log_removed AFTER DELETE ON transactions
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION transactions_log_removed();

-- Which transfer a transaction is a side of is shown with it, and so is what stands for it or may.
CREATE FUNCTION transactions_log_pairs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH told AS (
        SELECT pair.user_id, array_agg(DISTINCT side.transaction_id ORDER BY side.transaction_id) AS ids
        FROM pairs AS pair
        CROSS JOIN LATERAL unnest(ARRAY[(to_jsonb(pair) ->> TG_ARGV[0])::bigint, (to_jsonb(pair) ->> TG_ARGV[1])::bigint])
            AS side (transaction_id)
        GROUP BY pair.user_id
    ), numbered AS (
        UPDATE user_counters AS counters SET change_seq = counters.change_seq + 1
        FROM told WHERE counters.user_id = told.user_id
        RETURNING counters.user_id, counters.change_seq, told.ids
    )
    INSERT INTO transaction_changes (user_id, seq, changed_ids) SELECT user_id, change_seq, ids FROM numbered;
    RETURN NULL;
END $$;

-- The kind is the trigger's argument. A row that is written as it was has not changed.
CREATE FUNCTION log_kind_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH told AS (
        SELECT DISTINCT user_id FROM written
    ), numbered AS (
        UPDATE user_counters AS counters SET change_seq = counters.change_seq + 1
        FROM told WHERE counters.user_id = told.user_id
        RETURNING counters.user_id, counters.change_seq
    )
    INSERT INTO kind_changes (user_id, kind, seq) SELECT user_id, TG_ARGV[0], change_seq FROM numbered ORDER BY user_id
    ON CONFLICT (user_id, kind) DO UPDATE SET seq = excluded.seq;
    RETURN NULL;
END $$;

CREATE FUNCTION log_kind_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH told AS (
        SELECT DISTINCT user_id FROM (SELECT * FROM added EXCEPT SELECT * FROM gone) AS differing
    ), numbered AS (
        UPDATE user_counters AS counters SET change_seq = counters.change_seq + 1
        FROM told WHERE counters.user_id = told.user_id
        RETURNING counters.user_id, counters.change_seq
    )
    INSERT INTO kind_changes (user_id, kind, seq) SELECT user_id, TG_ARGV[0], change_seq FROM numbered ORDER BY user_id
    ON CONFLICT (user_id, kind) DO UPDATE SET seq = excluded.seq;
    RETURN NULL;
END $$;

-- That the person was here today is no news to them.
CREATE FUNCTION users_log_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH numbered AS (
        UPDATE user_counters SET change_seq = change_seq + 1 WHERE user_id = NEW.user_id RETURNING user_id, change_seq
    )
    INSERT INTO kind_changes (user_id, kind, seq) SELECT user_id, 'viewer', change_seq FROM numbered
    ON CONFLICT (user_id, kind) DO UPDATE SET seq = excluded.seq;
    RETURN NULL;
END $$;
CREATE TRIGGER users_log_changed AFTER UPDATE ON users
    FOR EACH ROW WHEN (
        (OLD.name, OLD.email, OLD.time_zone, OLD.currency, OLD.annual_income_minor, OLD.detected_income_minor)
        IS DISTINCT FROM
        (NEW.name, NEW.email, NEW.time_zone, NEW.currency, NEW.annual_income_minor, NEW.detected_income_minor)
    )
    EXECUTE FUNCTION users_log_changed();

DO $$
DECLARE
    kind text;
    table_name text;
    columns text;
BEGIN
    FOR table_name, columns IN VALUES ('transfers', '''out_id'', ''in_id'''), ('transaction_matches', '''from_id'', ''to_id''')
    LOOP
        EXECUTE format('CREATE TRIGGER %1$s_log_added AFTER INSERT ON %1$I REFERENCING NEW TABLE AS pairs '
            'FOR EACH STATEMENT EXECUTE FUNCTION transactions_log_pairs(%2$s)', table_name, columns);
        EXECUTE format('CREATE TRIGGER %1$s_log_changed AFTER UPDATE ON %1$I REFERENCING NEW TABLE AS pairs '
            'FOR EACH STATEMENT EXECUTE FUNCTION transactions_log_pairs(%2$s)', table_name, columns);
        EXECUTE format('CREATE TRIGGER %1$s_log_removed AFTER DELETE ON %1$I REFERENCING OLD TABLE AS pairs '
            'FOR EACH STATEMENT EXECUTE FUNCTION transactions_log_pairs(%2$s)', table_name, columns);
    END LOOP;
    FOR table_name, kind IN VALUES ('accounts', 'accounts'), ('connections', 'connections'),
        ('personal_categories', 'categories'), ('budget_overrides', 'budgets'), ('rules', 'rules'),
        ('seller_memories', 'rules')
    LOOP
        EXECUTE format('CREATE TRIGGER %1$s_log_added AFTER INSERT ON %1$I REFERENCING NEW TABLE AS written '
            'FOR EACH STATEMENT EXECUTE FUNCTION log_kind_written(%2$L)', table_name, kind);
        EXECUTE format('CREATE TRIGGER %1$s_log_changed AFTER UPDATE ON %1$I REFERENCING NEW TABLE AS added '
            'OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION log_kind_changed(%2$L)', table_name, kind);
        EXECUTE format('CREATE TRIGGER %1$s_log_removed AFTER DELETE ON %1$I REFERENCING OLD TABLE AS written '
            'FOR EACH STATEMENT EXECUTE FUNCTION log_kind_written(%2$L)', table_name, kind);
    END LOOP;
    FOREACH table_name IN ARRAY ARRAY['transaction_changes', 'kind_changes'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', table_name);
        EXECUTE format('CREATE POLICY own_rows ON %I USING (user_id = (SELECT current_user_id()))', table_name);
    END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON transaction_changes, kind_changes TO mintql_api;

-- Search by words. Each seller of a person, and each name they gave, is found by leaps along these.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE INDEX transactions_seller_idx ON transactions (user_id, merchant_key)
    WHERE successor_id IS NULL AND removed_at IS NULL;
CREATE INDEX transactions_named_idx ON transactions (user_id, display_name)
    WHERE display_name IS NOT NULL AND successor_id IS NULL AND removed_at IS NULL;
