-- What people choose by hand, so that it can be undone, and what all of them together chose for a seller.

-- What a transaction was before a person chose its category. A row goes when the choice is undone.
CREATE TABLE category_choices (
    user_id bigint NOT NULL,
    transaction_id bigint NOT NULL,
    merchant_key text NOT NULL,
    category_id int NOT NULL,
    chosen_at timestamptz NOT NULL,
    -- Since when it is meant for the seller; NULL where it is not.
    remembered_at timestamptz,
    -- What was remembered of the seller when no choice for it stood, with one at least of those that stand by now.
    memory_before int,
    before_category_id int NOT NULL,
    before_source text NOT NULL,
    before_detail text NOT NULL,
    PRIMARY KEY (user_id, transaction_id),
    FOREIGN KEY (user_id, transaction_id) REFERENCES transactions ON DELETE CASCADE
);
CREATE INDEX category_choices_merchant_idx ON category_choices (user_id, merchant_key, chosen_at);

ALTER TABLE category_choices ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON category_choices USING (user_id = (SELECT current_user_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON category_choices TO mintql_api;

-- A person's vote on a seller: one, whatever they chose for how many transactions; the latest choice that stands.
CREATE TABLE seller_votes (
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    merchant_key text NOT NULL CHECK (length(merchant_key) BETWEEN 1 AND 255),
    -- Of the standard ones: a person's own mean nothing to others.
    category_id int NOT NULL CHECK (category_id BETWEEN 2 AND 9999),
    voted_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, merchant_key)
);

ALTER TABLE seller_votes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON seller_votes USING (user_id = (SELECT current_user_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON seller_votes TO mintql_api;

-- How many people chose what for a seller, and the top of it. These two are of everybody together: they hold counts
-- and no person, and the API cannot read them.
CREATE TABLE crowd_counts (
    merchant_key text NOT NULL,
    category_id int NOT NULL,
    voters int NOT NULL CHECK (voters >= 0),
    PRIMARY KEY (merchant_key, category_id)
) WITH (fillfactor = 70);

CREATE TABLE crowd_sellers (
    merchant_key text PRIMARY KEY,
    voters int NOT NULL CHECK (voters >= 0),
    top_category_id int NOT NULL,
    top_voters int NOT NULL CHECK (top_voters BETWEEN 0 AND voters)
) WITH (fillfactor = 70);

-- Voters on sellers take turns, by buckets so that their number is bounded however many sellers somebody who leaves
-- had voted on. Buckets are locked in ascending order, all of a transaction at once, so nobody waits in a circle.
CREATE FUNCTION lock_crowd(keys text[]) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1668444023, bucket)
    FROM (SELECT DISTINCT hashtext(key) & 255 AS bucket FROM unnest(keys) AS said (key) ORDER BY bucket) AS buckets;
END $$;

-- Counts follow the votes in the voters' own transactions. Of equal counts the category that leads stays, else the
-- lowest id.
CREATE FUNCTION count_votes(keys text[], category_ids int[], deltas int[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM lock_crowd(keys);

    UPDATE crowd_counts AS counted SET voters = counted.voters + changed.delta
    FROM (
        SELECT merchant_key, category_id, sum(delta)::int AS delta
        FROM unnest(keys, category_ids, deltas) AS said (merchant_key, category_id, delta)
        GROUP BY merchant_key, category_id HAVING sum(delta) < 0
    ) AS changed
    WHERE counted.merchant_key = changed.merchant_key AND counted.category_id = changed.category_id;

    DELETE FROM crowd_counts WHERE merchant_key = ANY (keys) AND voters = 0;

    INSERT INTO crowd_counts AS counted (merchant_key, category_id, voters)
    SELECT merchant_key, category_id, sum(delta)::int
    FROM unnest(keys, category_ids, deltas) AS said (merchant_key, category_id, delta)
    GROUP BY merchant_key, category_id HAVING sum(delta) > 0
    ON CONFLICT (merchant_key, category_id) DO UPDATE SET voters = counted.voters + excluded.voters;

    INSERT INTO crowd_sellers AS seller (merchant_key, voters, top_category_id, top_voters)
    SELECT DISTINCT ON (counted.merchant_key) counted.merchant_key,
        (sum(counted.voters) OVER (PARTITION BY counted.merchant_key))::int, counted.category_id, counted.voters
    FROM crowd_counts AS counted LEFT JOIN crowd_sellers AS told USING (merchant_key)
    WHERE counted.merchant_key = ANY (keys)
    ORDER BY counted.merchant_key, counted.voters DESC,
        counted.category_id IS DISTINCT FROM told.top_category_id, counted.category_id
    ON CONFLICT (merchant_key) DO UPDATE SET voters = excluded.voters, top_category_id = excluded.top_category_id,
        top_voters = excluded.top_voters;

    DELETE FROM crowd_sellers AS seller
    WHERE merchant_key = ANY (keys)
      AND NOT EXISTS (SELECT FROM crowd_counts AS counted WHERE counted.merchant_key = seller.merchant_key);
END $$;
REVOKE ALL ON FUNCTION count_votes(text[], int[], int[]) FROM PUBLIC;

CREATE FUNCTION seller_votes_added() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM count_votes(array_agg(merchant_key), array_agg(category_id), array_agg(1))
    FROM added HAVING count(*) > 0;
    RETURN NULL;
END $$;

CREATE FUNCTION seller_votes_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM count_votes(array_agg(merchant_key), array_agg(category_id), array_agg(delta))
    FROM (
        SELECT merchant_key, category_id, 1 AS delta FROM added
        UNION ALL SELECT merchant_key, category_id, -1 FROM gone
    ) AS votes
    HAVING count(*) > 0;
    RETURN NULL;
END $$;

CREATE FUNCTION seller_votes_retracted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM count_votes(array_agg(merchant_key), array_agg(category_id), array_agg(-1))
    FROM gone HAVING count(*) > 0;
    RETURN NULL;
END $$;

CREATE TRIGGER seller_votes_added AFTER INSERT ON seller_votes
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION seller_votes_added();
CREATE TRIGGER seller_votes_changed AFTER UPDATE ON seller_votes
    REFERENCING NEW TABLE AS added OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION seller_votes_changed();
CREATE TRIGGER seller_votes_retracted AFTER DELETE ON seller_votes
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION seller_votes_retracted();

-- The API's only view of the crowd: sellers that enough different people chose a category for. A seller that fewer
-- have chosen for, such as the name of a friend in a transfer, is told to nobody.
CREATE FUNCTION crowd_of_sellers(keys text[], least_voters int)
RETURNS TABLE (merchant_key text, voters int, top_category_id int, top_voters int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT seller.merchant_key, seller.voters, seller.top_category_id, seller.top_voters
    FROM crowd_sellers AS seller
    WHERE seller.merchant_key = ANY (keys) AND seller.voters >= greatest(least_voters, 5)
$$;
REVOKE ALL ON FUNCTION crowd_of_sellers(text[], int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION crowd_of_sellers(text[], int) TO mintql_api;
