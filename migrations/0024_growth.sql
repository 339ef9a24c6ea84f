-- The sweeper asks every few seconds whether the time of a farewell is up.
CREATE INDEX farewells_expires_idx ON farewells (expires_at);
