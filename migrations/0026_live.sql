-- The one look at many persons that the poll behind all streams of a process takes: it tells which of them have
-- something new to read, or no session any more, and nothing of what there is.
CREATE FUNCTION streams_with_news(user_ids bigint[], session_ids bigint[], seqs bigint[], moment timestamptz)
RETURNS TABLE (place bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT given.place
    FROM unnest(user_ids, session_ids, seqs) WITH ORDINALITY AS given (user_id, session_id, seq, place)
    WHERE given.seq IS DISTINCT FROM (
        SELECT counters.event_seq FROM user_counters AS counters WHERE counters.user_id = given.user_id
    )
    OR NOT EXISTS (
        SELECT FROM sessions AS held
        WHERE held.user_id = given.user_id AND held.session_id = given.session_id AND held.expires_at > moment
    )
$$;
REVOKE ALL ON FUNCTION streams_with_news(bigint[], bigint[], bigint[], timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION streams_with_news(bigint[], bigint[], bigint[], timestamptz) TO mintql_api;
