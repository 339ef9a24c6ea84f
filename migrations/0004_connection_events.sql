-- What happens to connections is told to their person by the database itself, so that no writer can forget it; and
-- an institution's word that it has something new is kept until it was asked for it.

ALTER TABLE events
    DROP CONSTRAINT events_kind_check,
    -- Rows that are there satisfied a narrower check: there is no need to read them all under a lock.
    ADD CONSTRAINT events_kind_check
        CHECK (kind IN ('budget_alert', 'sync_progress', 'transactions_changed', 'connection_changed')) NOT VALID;

ALTER TABLE connections
    -- What the institution told of itself last, apart from any run.
    ADD COLUMN notice text,
    ADD COLUMN noticed_at timestamptz,
    -- From when on a run is to be opened, because the institution said that it has something new while one was
    -- under way, or too soon after one; NULL when nothing is waiting.
    ADD COLUMN wanted_at timestamptz;
CREATE INDEX connections_wanted_idx ON connections (wanted_at) WHERE wanted_at IS NOT NULL;

-- Appends the event that a connection's state or error is another one now. That a run ended is told by its own
-- events, so the refresh of a connection that works costs nothing here. The row of user_counters is held until the
-- end of the transaction, as by every writer of events: a later event never becomes visible before an earlier one.
CREATE FUNCTION connections_tell() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- Of an UPDATE both, of an INSERT the new row, of a DELETE the old one.
    link connections := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    what text;
    taken bigint;
BEGIN
    what := CASE
        WHEN TG_OP = 'DELETE' THEN 'removed'
        WHEN TG_OP = 'INSERT' THEN 'connected'
        WHEN NEW.status = 'disconnected' THEN 'disconnected'
        WHEN OLD.status = 'disconnected' THEN 'connected'
        WHEN NEW.notice IS DISTINCT FROM OLD.notice AND NEW.notice IS NOT NULL THEN 'notice'
        WHEN NEW.status = 'action_required' THEN 'action_required'
        WHEN NEW.error_code IS NOT NULL THEN 'failing'
        ELSE 'recovered'
    END;
    -- A person who is removed with all their rows is told nothing more.
    IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT FROM users WHERE users.user_id = link.user_id) THEN
        RETURN NULL;
    END IF;
    UPDATE user_counters AS counters SET event_seq = counters.event_seq + 1
    WHERE counters.user_id = link.user_id RETURNING counters.event_seq INTO taken;
    IF taken IS NOT NULL THEN
        INSERT INTO events (user_id, seq, kind, payload)
        VALUES (link.user_id, taken, 'connection_changed',
            jsonb_build_object('connection_id', link.connection_id, 'what', what));
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER connections_come_and_go AFTER INSERT OR DELETE ON connections
    FOR EACH ROW EXECUTE FUNCTION connections_tell();
CREATE TRIGGER connections_change AFTER UPDATE OF status, notice, error_code, error_message, error_action ON connections
    FOR EACH ROW WHEN (
        (OLD.status, OLD.notice, OLD.error_code, OLD.error_message, OLD.error_action)
        IS DISTINCT FROM (NEW.status, NEW.notice, NEW.error_code, NEW.error_message, NEW.error_action)
    )
    EXECUTE FUNCTION connections_tell();

-- The API may take back a farewell it asked for, when the same login is connected again, but not read it.
CREATE FUNCTION take_back_farewell(kept_id bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM farewells WHERE user_id = current_user_id() AND connection_id = kept_id
$$;
REVOKE ALL ON FUNCTION take_back_farewell(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_back_farewell(bigint) TO mintql_api;
