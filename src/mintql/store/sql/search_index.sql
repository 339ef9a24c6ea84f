-- name: head
-- Up to which key it is written down where texts stand in a person's transactions, and up to where in the log of changes
-- that is known; no row where it is not, or was longer than $2 days ago.
SELECT slice.newest_on, slice.newest_id, person.rows_seq FROM search_persons AS person
CROSS JOIN LATERAL (
    SELECT newest_on, newest_id FROM search_slices WHERE user_id = $1 ORDER BY newest_on DESC, newest_id DESC LIMIT 1
) AS slice
WHERE person.user_id = $1 AND person.rows_seq IS NOT NULL AND person.built_at > now() - make_interval(days => $2::int)

-- name: changed
-- Keys of transactions that the log of changes names after a place, in $3 mentions at most, and how many mentions that
-- were; and the last day of months that were moved out of the database and may be back.
WITH mentions AS (
    SELECT mention.transaction_id FROM transaction_changes AS log
    CROSS JOIN LATERAL unnest(log.added_ids || log.changed_ids) AS mention (transaction_id)
    WHERE log.user_id = $1 AND log.seq > $2
    LIMIT $3
)
SELECT (SELECT count(*)::int FROM mentions) AS mentions, array_agg(of_row.posted_on) AS days,
    array_agg(of_row.transaction_id) AS ids,
    (SELECT (max(month) + interval '1 month - 1 day')::date FROM archived_months WHERE user_id = $1) AS archived_until
FROM (SELECT DISTINCT transaction_id FROM mentions) AS mention CROSS JOIN LATERAL (
    SELECT posted_on, transaction_id FROM transactions
    WHERE user_id = $1 AND transaction_id = mention.transaction_id OFFSET 0
) AS of_row

-- name: changed_and_slices
-- What `changed` has of those transactions alone that have texts like one of each of $4 to $9 (null: any), $10: whether these
-- are amounts, too, $11: minor units to the unit of currencies where that is not 100, as JSON; and beside it what `slices`
-- has by $12 to $17, in one row of nulls where that is nothing.
WITH mentions AS (
    SELECT mention.transaction_id FROM transaction_changes AS log
    CROSS JOIN LATERAL unnest(log.added_ids || log.changed_ids) AS mention (transaction_id)
    WHERE log.user_id = $1 AND log.seq > $2
    LIMIT $3
), changed AS MATERIALIZED (
    SELECT (SELECT count(*)::int FROM mentions) AS mentions, array_agg(of_row.posted_on) AS days,
        array_agg(of_row.transaction_id) AS ids,
        (SELECT (max(month) + interval '1 month - 1 day')::date FROM archived_months WHERE user_id = $1) AS archived_until
    FROM (SELECT DISTINCT transaction_id FROM mentions) AS mention CROSS JOIN LATERAL (
        SELECT posted_on, transaction_id FROM transactions
        CROSS JOIN LATERAL (
            SELECT lower(concat_ws(E'\x1e', description, merchant, display_name, note, array_to_string(tags, E'\x1e'),
                array_to_string(part_notes, E'\x1e'))) || CASE WHEN $10::boolean THEN
                    translate(format('=%s=', trim_scale(abs(amount_minor)::numeric / coalesce(($11::jsonb ->> currency)::int, 100))),
                        '0123456789.', 'ABCDEFGHIJK') ELSE '' END AS words
            OFFSET 0
        ) AS said
        WHERE user_id = $1 AND transaction_id = mention.transaction_id AND successor_id IS NULL AND removed_at IS NULL
          AND ($4::text[] IS NULL OR said.words LIKE ANY ($4))
          AND ($5::text[] IS NULL OR said.words LIKE ANY ($5))
          AND ($6::text[] IS NULL OR said.words LIKE ANY ($6))
          AND ($7::text[] IS NULL OR said.words LIKE ANY ($7))
          AND ($8::text[] IS NULL OR said.words LIKE ANY ($8))
          AND ($9::text[] IS NULL OR said.words LIKE ANY ($9))
        OFFSET 0
    ) AS of_row
)
SELECT changed.*, slice.* FROM changed LEFT JOIN LATERAL (
    SELECT slice.slice_id, slice.after_on, slice.after_id, slice.newest_on, slice.newest_id, slice.size,
        standing.grams, standing.places
    FROM (
        SELECT slice_id, after_on, after_id, newest_on, newest_id, size FROM search_slices
        WHERE user_id = $1 AND (after_on, after_id) < ($12::date, $13::bigint)
          AND (newest_on, newest_id) >= ($14::date, $15::bigint)
        ORDER BY newest_on DESC, newest_id DESC LIMIT $16
    ) AS slice
    CROSS JOIN LATERAL (
        SELECT array_agg(found.gram) AS grams, array_agg(found.places) AS places FROM (
            SELECT gram, places FROM search_grams
            WHERE user_id = $1 AND slice_id = slice.slice_id AND gram = ANY ($17::text[]) OFFSET 0
        ) AS found
    ) AS standing
) AS slice ON true
ORDER BY slice.newest_on DESC, slice.newest_id DESC

-- name: slices
-- The next $6 slices of a person that reach below a key ($2, $3) and above another ($4, $5), newest first, with the places
-- of the stretches of text $7 in them.
SELECT slice.slice_id, slice.after_on, slice.after_id, slice.newest_on, slice.newest_id, slice.size,
    standing.grams, standing.places
FROM (
    SELECT slice_id, after_on, after_id, newest_on, newest_id, size FROM search_slices
    WHERE user_id = $1 AND (after_on, after_id) < ($2::date, $3::bigint)
      AND (newest_on, newest_id) >= ($4::date, $5::bigint)
    ORDER BY newest_on DESC, newest_id DESC LIMIT $6
) AS slice
CROSS JOIN LATERAL (
    SELECT array_agg(found.gram) AS grams, array_agg(found.places) AS places FROM (
        SELECT gram, places FROM search_grams
        WHERE user_id = $1 AND slice_id = slice.slice_id AND gram = ANY ($7::text[]) OFFSET 0
    ) AS found
) AS standing
ORDER BY slice.newest_on DESC, slice.newest_id DESC

-- name: keys
-- Keys of transactions by their slice and place, as the slices keep them.
SELECT found.key FROM unnest($2::bigint[], $3::int[]) AS asked (slice_id, place) CROSS JOIN LATERAL (
    SELECT substr(keys, 12 * asked.place + 1, 12) AS key FROM search_slices
    WHERE user_id = $1 AND slice_id = asked.slice_id OFFSET 0
) AS found

-- name: seller_words
-- The words of a person's sellers and up to where in the log of changes they are known.
SELECT words, words_seq FROM search_persons
WHERE user_id = $1 AND built_at > now() - make_interval(days => $2::int)

-- name: changed_sellers
-- What the sellers of transactions are called that the log of changes names after a place, in $3 mentions at most, and how
-- many mentions that were.
WITH mentions AS (
    SELECT mention.transaction_id FROM transaction_changes AS log
    CROSS JOIN LATERAL unnest(log.added_ids || log.changed_ids) AS mention (transaction_id)
    WHERE log.user_id = $1 AND log.seq > $2
    LIMIT $3
)
SELECT (SELECT count(*)::int FROM mentions) AS mentions, array_agg(DISTINCT of_row.text) AS texts
FROM (SELECT DISTINCT transaction_id FROM mentions) AS mention CROSS JOIN LATERAL (
    SELECT concat_ws(' ', merchant_key, display_name) AS text FROM transactions
    WHERE user_id = $1 AND transaction_id = mention.transaction_id AND successor_id IS NULL AND removed_at IS NULL
    OFFSET 0
) AS of_row
