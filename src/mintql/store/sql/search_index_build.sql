-- name: count_between
-- How many transactions a person has after a key ($2, $3) and up to another ($4, $5), counted no further than asked.
SELECT count(*)::int AS transactions FROM (
    SELECT FROM transactions
    WHERE user_id = $1 AND successor_id IS NULL AND removed_at IS NULL
      AND (posted_on, transaction_id) > ($2::date, $3::bigint) AND (posted_on, transaction_id) <= ($4::date, $5::bigint)
    LIMIT $6
) AS bounded

-- name: add_person
-- Adds the row of a person unless it is there.
INSERT INTO search_persons (user_id, words_seq, words) VALUES ($1, 0, '{}') ON CONFLICT (user_id) DO NOTHING

-- name: lock
-- Takes the row of a person, which lets nobody else write their slices until the commit; returns up to where in the log of
-- changes the slices are known, when that was, and how far the log goes. No row where somebody else has it.
SELECT rows_seq, built_at, (SELECT change_seq FROM user_counters AS counters WHERE counters.user_id = $1) AS latest_seq
FROM search_persons WHERE user_id = $1 FOR UPDATE SKIP LOCKED

-- name: note_words
-- Writes down the words of a person's sellers.
UPDATE search_persons SET words_seq = $2, words = $3 WHERE user_id = $1

-- name: note_rows
-- Writes down up to where in the log of changes the slices of a person are known.
UPDATE search_persons SET rows_seq = $2, built_at = $3 WHERE user_id = $1

-- name: list_slices
-- The slices of a person, oldest first.
SELECT slice_id, after_on, after_id, newest_on, newest_id, size FROM search_slices
WHERE user_id = $1 ORDER BY newest_on, newest_id

-- name: remove
-- Removes slices of a person, with their stretches of text; returns those that were there.
DELETE FROM search_slices WHERE user_id = $1 AND slice_id = ANY ($2::bigint[]) RETURNING slice_id

-- name: settled_until
-- The key of a person's newest transaction but so many; no row where there are fewer.
SELECT posted_on, transaction_id FROM transactions
WHERE user_id = $1 AND successor_id IS NULL AND removed_at IS NULL
ORDER BY posted_on DESC, transaction_id DESC LIMIT 1 OFFSET $2

-- name: texts
-- The next $6 transactions of a person after a key ($2, $3) and up to another ($4, $5), with what search looks through, in
-- small letters and with amounts as it writes them; $7: minor units to the unit of currencies where that is not 100, as JSON.
SELECT posted_on, transaction_id,
    lower(concat_ws(E'\x1e', description, merchant, display_name, note, array_to_string(tags, E'\x1e'),
        array_to_string(part_notes, E'\x1e'))) ||
    translate(format('=%s=', trim_scale(abs(amount_minor)::numeric / coalesce(($7::jsonb ->> currency)::int, 100))),
        '0123456789.', 'ABCDEFGHIJK') AS words
FROM transactions
WHERE user_id = $1 AND successor_id IS NULL AND removed_at IS NULL
  AND (posted_on, transaction_id) > ($2::date, $3::bigint) AND (posted_on, transaction_id) <= ($4::date, $5::bigint)
ORDER BY posted_on, transaction_id LIMIT $6

-- name: add_slice
-- Adds a slice and returns its id.
INSERT INTO search_slices (user_id, after_on, after_id, newest_on, newest_id, size, keys)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING slice_id

-- name: add_grams
-- Adds the stretches of text of a slice.
INSERT INTO search_grams (user_id, slice_id, gram, places)
SELECT $1, $2, gram, places FROM unnest($3::text[], $4::bytea[]) AS added (gram, places) ORDER BY gram

-- name: remove_months
-- Removes what an earlier version kept of a person for the same purpose.
DELETE FROM search_months WHERE user_id = $1
