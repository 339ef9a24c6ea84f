-- The write path looks at each account once in a statement, where a foreign key looks once for each row: that was a
-- quarter of what inserting cost.

ALTER TABLE transactions
    DROP CONSTRAINT transactions_user_id_account_id_fkey,
    DROP CONSTRAINT transactions_user_id_import_id_fkey;

-- As a foreign key does: what rows point at must be there, and stays there until the transaction ends.
CREATE FUNCTION transactions_need_accounts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    lost record;
BEGIN
    WITH named AS (
        SELECT DISTINCT user_id, account_id FROM added
    ), held AS (
        SELECT account.user_id, account.account_id
        FROM named JOIN accounts AS account ON account.user_id = named.user_id AND account.account_id = named.account_id
        ORDER BY 1, 2 FOR KEY SHARE OF account
    )
    SELECT * INTO lost FROM named EXCEPT SELECT * FROM held LIMIT 1;
    IF FOUND THEN
        RAISE foreign_key_violation USING MESSAGE =
            format('a transaction of person %s is of account %s, which is not there', lost.user_id, lost.account_id);
    END IF;
    WITH named AS (
        SELECT DISTINCT user_id, import_id FROM added WHERE import_id IS NOT NULL
    ), held AS (
        SELECT file.user_id, file.import_id
        FROM named JOIN file_imports AS file ON file.user_id = named.user_id AND file.import_id = named.import_id
        ORDER BY 1, 2 FOR KEY SHARE OF file
    )
    SELECT * INTO lost FROM named EXCEPT SELECT * FROM held LIMIT 1;
    IF FOUND THEN
        RAISE foreign_key_violation USING MESSAGE =
            format('a transaction of person %s is of import %s, which is not there', lost.user_id, lost.import_id);
    END IF;
    RETURN NULL;
END $$;
-- Always, also for rows that are only moved, for which later migrations leave other triggers out.
CREATE TRIGGER transactions_added_to_accounts AFTER INSERT ON transactions
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT WHEN (true) EXECUTE FUNCTION transactions_need_accounts();

-- Rows seldom move from account to account, and then one by one.
CREATE FUNCTION transactions_need_account() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM accounts AS account
    WHERE account.user_id = NEW.user_id AND account.account_id = NEW.account_id FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE foreign_key_violation USING MESSAGE =
            format('a transaction of person %s is of account %s, which is not there', NEW.user_id, NEW.account_id);
    END IF;
    PERFORM FROM file_imports AS file
    WHERE file.user_id = NEW.user_id AND file.import_id = NEW.import_id FOR KEY SHARE;
    IF NOT FOUND AND NEW.import_id IS NOT NULL THEN
        RAISE foreign_key_violation USING MESSAGE =
            format('a transaction of person %s is of import %s, which is not there', NEW.user_id, NEW.import_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER transactions_moved AFTER UPDATE OF user_id, account_id, import_id ON transactions
    FOR EACH ROW WHEN ((OLD.user_id, OLD.account_id, OLD.import_id)
        IS DISTINCT FROM (NEW.user_id, NEW.account_id, NEW.import_id))
    EXECUTE FUNCTION transactions_need_account();

-- What they point at takes them along when it goes.
CREATE FUNCTION accounts_take_transactions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM transactions AS row USING gone
    WHERE row.user_id = gone.user_id AND row.account_id = gone.account_id;
    RETURN NULL;
END $$;
CREATE TRIGGER accounts_removed AFTER DELETE ON accounts
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION accounts_take_transactions();

CREATE FUNCTION file_imports_take_transactions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM transactions AS row USING gone
    WHERE row.user_id = gone.user_id AND row.import_id = gone.import_id;
    RETURN NULL;
END $$;
CREATE TRIGGER file_imports_removed AFTER DELETE ON file_imports
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION file_imports_take_transactions();

-- Transactions still come before what they point at, though no constraint says so.
CREATE OR REPLACE FUNCTION tables_of_persons() RETURNS TABLE (name text) LANGUAGE sql STABLE AS $$
    WITH RECURSIVE place AS (
        SELECT relation.oid, relation.relname
        FROM pg_class AS relation JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid
        WHERE relation.relnamespace = 'public'::regnamespace AND relation.relkind IN ('r', 'p')
          AND NOT relation.relispartition AND attribute.attname = 'user_id' AND NOT attribute.attisdropped
    ), reference AS (
        SELECT conrelid AS child, confrelid AS parent FROM pg_constraint
        WHERE contype = 'f' AND conrelid <> confrelid
        UNION VALUES ('transactions'::regclass::oid, 'accounts'::regclass::oid),
            ('transactions'::regclass::oid, 'file_imports'::regclass::oid)
    ), depth AS (
        SELECT oid, 0 AS level FROM place
        UNION
        SELECT reference.child, depth.level + 1
        FROM depth JOIN reference ON reference.parent = depth.oid WHERE depth.level < 10
    )
    SELECT place.relname::text
    FROM place JOIN depth USING (oid)
    WHERE place.relname NOT IN ('users', 'farewells', 'raw_log_files')
    GROUP BY place.relname ORDER BY max(depth.level) DESC, place.relname
$$;
