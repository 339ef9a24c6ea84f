-- The sweeper asks every few seconds whether the time of a farewell is up.
CREATE INDEX farewells_expires_idx ON farewells (expires_at);

-- Up to where in the log of changes a person's transactions were looked at for what recurs and is unusual, so that only
-- sellers with changes are looked at again; and when all of them were.
ALTER TABLE recurring_looks ADD COLUMN looked_seq bigint, ADD COLUMN whole_at timestamptz;

-- What stands in each month of a person who has many transactions, as search looks for it: a rare word is looked for here
-- first, and then only among the transactions of the months that may have it. Written anew once a week; whatever the log
-- of changes names after `seq` is looked at besides, so that nothing has to be kept up when rows come in.
CREATE TABLE search_months (
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    month date NOT NULL,
    seq bigint NOT NULL,
    words text NOT NULL,
    PRIMARY KEY (user_id, month)
);
ALTER TABLE search_months ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON search_months USING (user_id = (SELECT current_user_id()));
GRANT SELECT ON search_months TO mintql_api;
-- A member may see some accounts only, and these are words of all.
GRANT SELECT ON search_months TO mintql_household;
CREATE POLICY shared_rows ON search_months AS RESTRICTIVE TO mintql_household USING (false);
