-- Signing in: counted guesses, and where and when a session was last used.

-- How often a secret was guessed at, by what was guessed and from where. What it was is a keyed hash, for addresses that
-- nobody signed up with as for others: so there is no person here, and nothing that says whose it is. A row is forgotten
-- a day after the last guess.
CREATE TABLE guesses (
    subject bytea PRIMARY KEY CHECK (length(subject) = 32),
    -- Guesses that count, as of the last one, and until when none is taken.
    count int NOT NULL DEFAULT 0 CHECK (count >= 0),
    guessed_at timestamptz NOT NULL,
    blocked_until timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX guesses_guessed_at_idx ON guesses (guessed_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON guesses TO mintql_api;

-- Where a session was used last, and when, to within some minutes; where it began until then.
ALTER TABLE sessions
    ADD COLUMN last_used_at timestamptz,
    ADD COLUMN address text NOT NULL DEFAULT '' CHECK (length(address) <= 45);

-- Whose e-mail address this is, the hash of their password, and whether they are signed in on that network: looked for
-- at once, so that the answer takes the same time for an address that nobody has.
CREATE FUNCTION credentials_of(wanted text, network inet)
RETURNS TABLE (user_id bigint, password_hash text, is_known boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT u.user_id, u.password_hash, network IS NOT NULL AND EXISTS (
        SELECT FROM sessions AS s
        WHERE s.user_id = u.user_id AND s.expires_at > now() AND nullif(s.address, '')::inet <<= network
    )
    FROM users AS u WHERE lower(u.email) = lower(wanted)
$$;
REVOKE ALL ON FUNCTION credentials_of(text, inet) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION credentials_of(text, inet) TO mintql_api;

-- Writes where and when sessions were used last, of many persons at once; says nothing of any.
CREATE FUNCTION note_use(user_ids bigint[], session_ids bigint[], addresses text[], moments timestamptz[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE sessions AS s SET last_used_at = used.moment, address = used.address
    FROM unnest(user_ids, session_ids, addresses, moments) AS used (user_id, session_id, address, moment)
    WHERE s.user_id = used.user_id AND s.session_id = used.session_id
      AND (s.last_used_at IS NULL OR s.last_used_at < used.moment)
$$;
REVOKE ALL ON FUNCTION note_use(bigint[], bigint[], text[], timestamptz[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION note_use(bigint[], bigint[], text[], timestamptz[]) TO mintql_api;
