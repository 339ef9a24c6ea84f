-- Personal access tokens: rows of `sessions`, so that whatever looks for a session, and ends what hangs on it, holds for
-- them as it is.
ALTER TABLE sessions
    -- What a token may do. NULL for a session, which may do everything.
    ADD COLUMN scopes text[] CHECK (cardinality(scopes) > 0),
    ADD COLUMN name text NOT NULL DEFAULT '' CHECK (length(name) <= 100);

-- Whose token this is and what it may do.
CREATE FUNCTION viewer_by_token(wanted bytea)
RETURNS TABLE (user_id bigint, session_id bigint, expires_at timestamptz, scopes text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT s.user_id, s.session_id, s.expires_at, s.scopes FROM sessions AS s
    WHERE s.token_hash = wanted AND s.expires_at > now()
$$;
REVOKE ALL ON FUNCTION viewer_by_token(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION viewer_by_token(bytea) TO mintql_api;

-- Asked by processes of an older release, which know no scopes: to them only sessions may show.
CREATE OR REPLACE FUNCTION session_by_token(wanted bytea)
RETURNS TABLE (user_id bigint, session_id bigint, expires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT s.user_id, s.session_id, s.expires_at FROM sessions AS s
    WHERE s.token_hash = wanted AND s.expires_at > now() AND s.scopes IS NULL
$$;

-- Networks where somebody uses a program are not for that where they are known.
CREATE OR REPLACE FUNCTION credentials_of(wanted text, network inet)
RETURNS TABLE (user_id bigint, password_hash text, is_known boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT u.user_id, u.password_hash, network IS NOT NULL AND EXISTS (
        SELECT FROM sessions AS s
        WHERE s.user_id = u.user_id AND s.expires_at > now() AND s.scopes IS NULL
          AND nullif(s.address, '')::inet <<= network
    )
    FROM users AS u WHERE lower(u.email) = lower(wanted)
$$;
