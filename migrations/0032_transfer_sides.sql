-- What may be a side of a transfer by its category alone: nothing surer is known of it than a word, or the category speaks
-- for a transfer (all standard ones that do, and persons' own). `services/transfer_clues.may_be_found` says the same; a
-- test compares the two.
CREATE FUNCTION may_be_side(category_id int, category_source text, category_detail text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT category_source IN ('none', 'keyword', 'transfer')
        OR category_id IN (201, 202, 203, 204, 205, 206, 207, 208, 302, 707, 1303, 1511)
        OR category_id >= 10000 OR category_detail LIKE '% vague'
$$;

-- The other side of a transfer is found by its amount. Without this each refresh walked a month of its person's rows.
CREATE INDEX transactions_sides_idx ON transactions (user_id, amount_minor, posted_on)
    WHERE successor_id IS NULL AND removed_at IS NULL AND may_be_side(category_id, category_source, category_detail);
