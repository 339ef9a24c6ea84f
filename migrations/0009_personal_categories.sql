-- What persons say of categories. The standard ones are a file of the program and need no rows; a person who changes
-- none has none here.
CREATE TABLE personal_categories (
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    -- From 10000 on a category of the person's own, below a standard one that is otherwise for them.
    category_id int NOT NULL CHECK (category_id > 0),
    -- The group of an own category; NULL for an own group and for standard ones.
    parent_id int,
    -- NULL where the standard's holds.
    name text CHECK (length(name) BETWEEN 1 AND 60),
    kind text CHECK (kind IN ('expense', 'income', 'transfer')),
    icon text CHECK (icon ~ '^[a-z0-9-]{1,50}$'),
    hidden boolean NOT NULL DEFAULT false,
    -- The category that takes what would go into this one.
    merged_into int CHECK (merged_into <> category_id),
    -- An own category that was deleted or merged keeps its row: alerts of the past name it, and no id is given twice.
    gone boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, category_id),
    CHECK (category_id < 10000 OR (name IS NOT NULL AND kind IS NOT NULL AND icon IS NOT NULL)),
    CHECK (category_id >= 10000 OR (parent_id IS NULL AND kind IS NULL AND NOT gone))
);

ALTER TABLE personal_categories ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON personal_categories USING (user_id = (SELECT current_user_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON personal_categories TO mintql_api;
