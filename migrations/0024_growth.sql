-- The sweeper asks every few seconds whether the time of a farewell is up.
CREATE INDEX farewells_expires_idx ON farewells (expires_at);

-- Up to where in the log of changes a person's transactions were looked at for what recurs and is unusual, so that only
-- sellers with changes are looked at again; and when all of them were.
ALTER TABLE recurring_looks ADD COLUMN looked_seq bigint, ADD COLUMN whole_at timestamptz;
