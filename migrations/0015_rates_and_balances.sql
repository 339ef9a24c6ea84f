-- Exchange rates for totals in one currency, and what accounts held on each day for net worth over time.

-- Units of a currency that one euro is worth on a day, as published. Everybody's together: it holds nothing of a person.
CREATE TABLE exchange_rates (
    currency char(3) NOT NULL CHECK (currency ~ '^[A-Z]{3}$' AND currency <> 'EUR'),
    on_date date NOT NULL,
    per_euro numeric NOT NULL CHECK (per_euro > 0 AND per_euro < 1e13),
    -- Where it is from: 'feed' for the configured address, 'file' for a file that the operator loaded.
    source text NOT NULL CHECK (source IN ('feed', 'file')),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (currency, on_date)
);
GRANT SELECT ON exchange_rates TO mintql_api;

-- A person's own rates: one unit of `currency` is worth `rate` units of `quote`, from that day on until the next one.
CREATE TABLE manual_rates (
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    currency char(3) NOT NULL,
    quote char(3) NOT NULL CHECK (quote <> currency),
    on_date date NOT NULL,
    rate numeric NOT NULL CHECK (rate > 0 AND rate <= 1e12),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, currency, quote, on_date)
);

-- What an account held at the end of a day of its person's calendar: the last balance that was told for it. A day
-- without a row is like the one before, so a balance that stays the same writes none.
CREATE TABLE account_balances (
    user_id bigint NOT NULL,
    account_id bigint NOT NULL,
    on_date date NOT NULL,
    balance_minor bigint NOT NULL,
    currency char(3) NOT NULL,
    PRIMARY KEY (user_id, account_id, on_date),
    FOREIGN KEY (user_id, account_id) REFERENCES accounts ON DELETE CASCADE
);
DO $$
DECLARE
    table_name text;
BEGIN
    FOREACH table_name IN ARRAY ARRAY['manual_rates', 'account_balances'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', table_name);
        EXECUTE format('CREATE POLICY own_rows ON %I USING (user_id = (SELECT current_user_id()))', table_name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO mintql_api', table_name);
    END LOOP;
END $$;

CREATE FUNCTION accounts_keep_balance() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    local_date date;
BEGIN
    SELECT (coalesce(NEW.balance_at, now()) AT TIME ZONE person.time_zone)::date INTO local_date
    FROM users AS person WHERE person.user_id = NEW.user_id;
    INSERT INTO account_balances AS kept (user_id, account_id, on_date, balance_minor, currency)
    SELECT NEW.user_id, NEW.account_id, local_date, NEW.balance_minor, NEW.currency
    WHERE (
        SELECT (latest.on_date < local_date AND latest.balance_minor = NEW.balance_minor
            AND latest.currency = NEW.currency)
        FROM account_balances AS latest
        WHERE latest.user_id = NEW.user_id AND latest.account_id = NEW.account_id AND latest.on_date <= local_date
        ORDER BY latest.on_date DESC LIMIT 1
    ) IS NOT TRUE
    ON CONFLICT (user_id, account_id, on_date) DO UPDATE SET
        balance_minor = excluded.balance_minor, currency = excluded.currency
    WHERE (kept.balance_minor, kept.currency) IS DISTINCT FROM (excluded.balance_minor, excluded.currency);
    RETURN NULL;
END $$;
CREATE TRIGGER accounts_balance_told AFTER INSERT ON accounts
    FOR EACH ROW WHEN (NEW.balance_minor IS NOT NULL) EXECUTE FUNCTION accounts_keep_balance();
CREATE TRIGGER accounts_balance_changed AFTER UPDATE OF balance_minor, balance_at, currency ON accounts
    FOR EACH ROW WHEN (
        NEW.balance_minor IS NOT NULL AND (OLD.balance_minor, OLD.balance_at, OLD.currency)
            IS DISTINCT FROM (NEW.balance_minor, NEW.balance_at, NEW.currency)
    )
    EXECUTE FUNCTION accounts_keep_balance();

-- What is known by now is where the history begins.
INSERT INTO account_balances (user_id, account_id, on_date, balance_minor, currency)
SELECT account.user_id, account.account_id,
    (coalesce(account.balance_at, account.created_at) AT TIME ZONE person.time_zone)::date,
    account.balance_minor, account.currency
FROM accounts AS account JOIN users AS person USING (user_id)
WHERE account.balance_minor IS NOT NULL;
