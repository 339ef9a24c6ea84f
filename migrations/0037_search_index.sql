-- Where texts stand among the transactions of a person who has many, as search looks for them. Row-level security lets
-- nothing but equality and order enter an index, so these are plain rows found by their keys.
--
-- A slice is a stretch of a person's transactions, by day and id, of those after (after_on, after_id) up to (newest_on,
-- newest_id); slices of a person leave no gap between them. `keys` has the place of each of its transactions in that order
-- (four bytes of a day, eight of an id), and `places` says for every three letters in a row that stand in any of their
-- words where: a bit for each transaction of the slice, compressed. What changed after `rows_seq` is looked at besides, so
-- that nothing has to be kept up when rows come in.
CREATE TABLE search_persons (
    user_id bigint PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    -- Up to where in the log of changes the slices are known, and when that was written.
    rows_seq bigint,
    built_at timestamptz,
    -- The words of the person's sellers, and up to where in the log they are known.
    words_seq bigint NOT NULL,
    words text[] NOT NULL
);
CREATE TABLE search_slices (
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    slice_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    after_on date NOT NULL,
    after_id bigint NOT NULL,
    newest_on date NOT NULL,
    newest_id bigint NOT NULL,
    size integer NOT NULL CHECK (size >= 0),
    keys bytea NOT NULL,
    PRIMARY KEY (user_id, newest_on, newest_id),
    UNIQUE (user_id, slice_id)
);
-- Single keys are read out of the middle.
ALTER TABLE search_slices ALTER COLUMN keys SET STORAGE EXTERNAL;
CREATE TABLE search_grams (
    user_id bigint NOT NULL,
    slice_id bigint NOT NULL,
    gram text NOT NULL COLLATE "C",
    places bytea NOT NULL,
    PRIMARY KEY (user_id, slice_id, gram),
    FOREIGN KEY (user_id, slice_id) REFERENCES search_slices (user_id, slice_id) ON DELETE CASCADE
);
-- Compressed already.
ALTER TABLE search_grams ALTER COLUMN places SET STORAGE EXTERNAL;

ALTER TABLE search_persons ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON search_persons USING (user_id = (SELECT current_user_id()));
ALTER TABLE search_slices ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON search_slices USING (user_id = (SELECT current_user_id()));
ALTER TABLE search_grams ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON search_grams USING (user_id = (SELECT current_user_id()));
GRANT SELECT ON search_persons, search_slices, search_grams TO mintql_api;
-- A member may see some accounts only, and these are words of all.
GRANT SELECT ON search_persons, search_slices, search_grams TO mintql_household;
CREATE POLICY shared_rows ON search_persons AS RESTRICTIVE TO mintql_household USING (false);
CREATE POLICY shared_rows ON search_slices AS RESTRICTIVE TO mintql_household USING (false);
CREATE POLICY shared_rows ON search_grams AS RESTRICTIVE TO mintql_household USING (false);
