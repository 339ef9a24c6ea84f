-- Transactions by words, sorted by day or by amount. All of these take the same parameters: $1 person; $2 to $5 the
-- stretches that are walked, newest (day, id) and oldest (day, id) of each, both included, of which no two overlap; $6 rows
-- at most; $7 accounts; $8 categories; $9 pending; $10 pattern of text; $11 least and $12 greatest amount in whole units of the row's currency;
-- $13 minor units to the unit of currencies where that is not 100, as JSON; $14 tags; $15 whether there is a note; $16
-- whether budgets leave it out; $17 to $22 patterns for each word, of which any will do; $23 words that the text has to
-- be like as well, each in the place of its patterns; $24 whether a word may be an amount, which is written in capitals,
-- so that parts of other words cannot be found in it. `by_amount` also takes $25, which is 1 for least first and -1 for
-- greatest first, and the key ($26, $27) that paging begins behind. $7 to $12 and $14 to $23 are NULL where not asked for.
--
-- Row-level security lets no index on words be used (operators of trigrams and LIKE may leak), and one of everybody's
-- words would be searched through everybody's rows. So these walk the person's rows by day, and stop at a full page; where
-- it is known where words can stand (`search_index.sql`), they walk there alone.

-- name: newest_first
-- Transactions by words, newest first.
SELECT found.* FROM unnest($2::date[], $3::bigint[], $4::date[], $5::bigint[])
    AS stretch (newest_on, newest_id, oldest_on, oldest_id)
CROSS JOIN LATERAL (
    SELECT transaction_id, account_id, posted_on, amount_minor, currency, pending, category_id, category_source,
        category_detail, institution_code, description, merchant, merchant_key, note, tags, part_category_ids,
        part_amounts_minor, part_notes, display_name, excluded_from_budgets, created_at, updated_at
    FROM transactions
    CROSS JOIN LATERAL (
        SELECT lower(concat_ws(E'\x1e', description, merchant, display_name, note, array_to_string(tags, E'\x1e'),
            array_to_string(part_notes, E'\x1e'))) || CASE WHEN $24::boolean THEN
                translate(format('=%s=', trim_scale(abs(amount_minor)::numeric / coalesce(($13::jsonb ->> currency)::int, 100))),
                    '0123456789.', 'ABCDEFGHIJK') ELSE '' END AS words
        OFFSET 0
    ) AS said
    WHERE user_id = $1 AND successor_id IS NULL AND removed_at IS NULL
      AND (posted_on, transaction_id) <= (stretch.newest_on, stretch.newest_id)
      AND (posted_on, transaction_id) >= (stretch.oldest_on, stretch.oldest_id)
      AND ($7::bigint[] IS NULL OR account_id = ANY ($7))
      AND ($8::int[] IS NULL OR category_id = ANY ($8) OR part_category_ids && $8)
      AND ($9::boolean IS NULL OR pending = $9)
      AND ($10::text IS NULL OR description ILIKE $10 OR merchant ILIKE $10 OR display_name ILIKE $10 OR note ILIKE $10
        OR array_to_string(part_notes, E'\x1e') ILIKE $10)
      AND ($11::numeric IS NULL OR amount_minor >= $11 * coalesce(($13::jsonb ->> currency)::int, 100))
      AND ($12::numeric IS NULL OR amount_minor <= $12 * coalesce(($13::jsonb ->> currency)::int, 100))
      AND ($14::text[] IS NULL OR tags && $14)
      AND ($15::boolean IS NULL OR (note IS NOT NULL) = $15)
      AND ($16::boolean IS NULL OR coalesce(excluded_from_budgets, false) = $16)
      AND ($17::text[] IS NULL OR (said.words LIKE ANY ($17) AND coalesce(word_similarity(($23::text[])[1], said.words) >= 0.6, true)))
      AND ($18::text[] IS NULL OR (said.words LIKE ANY ($18) AND coalesce(word_similarity(($23::text[])[2], said.words) >= 0.6, true)))
      AND ($19::text[] IS NULL OR (said.words LIKE ANY ($19) AND coalesce(word_similarity(($23::text[])[3], said.words) >= 0.6, true)))
      AND ($20::text[] IS NULL OR (said.words LIKE ANY ($20) AND coalesce(word_similarity(($23::text[])[4], said.words) >= 0.6, true)))
      AND ($21::text[] IS NULL OR (said.words LIKE ANY ($21) AND coalesce(word_similarity(($23::text[])[5], said.words) >= 0.6, true)))
      AND ($22::text[] IS NULL OR (said.words LIKE ANY ($22) AND coalesce(word_similarity(($23::text[])[6], said.words) >= 0.6, true)))
    ORDER BY posted_on DESC, transaction_id DESC LIMIT $6
) AS found
ORDER BY found.posted_on DESC, found.transaction_id DESC LIMIT $6

-- name: oldest_first
-- Transactions by words, oldest first.
SELECT found.* FROM unnest($2::date[], $3::bigint[], $4::date[], $5::bigint[])
    AS stretch (newest_on, newest_id, oldest_on, oldest_id)
CROSS JOIN LATERAL (
    SELECT transaction_id, account_id, posted_on, amount_minor, currency, pending, category_id, category_source,
        category_detail, institution_code, description, merchant, merchant_key, note, tags, part_category_ids,
        part_amounts_minor, part_notes, display_name, excluded_from_budgets, created_at, updated_at
    FROM transactions
    CROSS JOIN LATERAL (
        SELECT lower(concat_ws(E'\x1e', description, merchant, display_name, note, array_to_string(tags, E'\x1e'),
            array_to_string(part_notes, E'\x1e'))) || CASE WHEN $24::boolean THEN
                translate(format('=%s=', trim_scale(abs(amount_minor)::numeric / coalesce(($13::jsonb ->> currency)::int, 100))),
                    '0123456789.', 'ABCDEFGHIJK') ELSE '' END AS words
        OFFSET 0
    ) AS said
    WHERE user_id = $1 AND successor_id IS NULL AND removed_at IS NULL
      AND (posted_on, transaction_id) <= (stretch.newest_on, stretch.newest_id)
      AND (posted_on, transaction_id) >= (stretch.oldest_on, stretch.oldest_id)
      AND ($7::bigint[] IS NULL OR account_id = ANY ($7))
      AND ($8::int[] IS NULL OR category_id = ANY ($8) OR part_category_ids && $8)
      AND ($9::boolean IS NULL OR pending = $9)
      AND ($10::text IS NULL OR description ILIKE $10 OR merchant ILIKE $10 OR display_name ILIKE $10 OR note ILIKE $10
        OR array_to_string(part_notes, E'\x1e') ILIKE $10)
      AND ($11::numeric IS NULL OR amount_minor >= $11 * coalesce(($13::jsonb ->> currency)::int, 100))
      AND ($12::numeric IS NULL OR amount_minor <= $12 * coalesce(($13::jsonb ->> currency)::int, 100))
      AND ($14::text[] IS NULL OR tags && $14)
      AND ($15::boolean IS NULL OR (note IS NOT NULL) = $15)
      AND ($16::boolean IS NULL OR coalesce(excluded_from_budgets, false) = $16)
      AND ($17::text[] IS NULL OR (said.words LIKE ANY ($17) AND coalesce(word_similarity(($23::text[])[1], said.words) >= 0.6, true)))
      AND ($18::text[] IS NULL OR (said.words LIKE ANY ($18) AND coalesce(word_similarity(($23::text[])[2], said.words) >= 0.6, true)))
      AND ($19::text[] IS NULL OR (said.words LIKE ANY ($19) AND coalesce(word_similarity(($23::text[])[3], said.words) >= 0.6, true)))
      AND ($20::text[] IS NULL OR (said.words LIKE ANY ($20) AND coalesce(word_similarity(($23::text[])[4], said.words) >= 0.6, true)))
      AND ($21::text[] IS NULL OR (said.words LIKE ANY ($21) AND coalesce(word_similarity(($23::text[])[5], said.words) >= 0.6, true)))
      AND ($22::text[] IS NULL OR (said.words LIKE ANY ($22) AND coalesce(word_similarity(($23::text[])[6], said.words) >= 0.6, true)))
    ORDER BY posted_on, transaction_id LIMIT $6
) AS found
ORDER BY found.posted_on, found.transaction_id LIMIT $6

-- name: by_amount
-- Transactions by words, by amount in ten thousandths of the unit of the row's currency.
SELECT sort_key::text AS sort_key, transaction_id, account_id, posted_on, amount_minor, currency, pending, category_id, category_source,
    category_detail, institution_code, description, merchant, merchant_key, note, tags, part_category_ids,
    part_amounts_minor, part_notes, display_name, excluded_from_budgets, created_at, updated_at
FROM unnest($2::date[], $3::bigint[], $4::date[], $5::bigint[])
    AS stretch (newest_on, newest_id, oldest_on, oldest_id)
CROSS JOIN LATERAL (
    SELECT ($25::int * amount_minor * (10000 / coalesce(($13::jsonb ->> currency)::int, 100))::numeric)::numeric AS sort_key,
        transaction_id, account_id, posted_on, amount_minor, currency, pending, category_id, category_source,
        category_detail, institution_code, description, merchant, merchant_key, note, tags, part_category_ids,
        part_amounts_minor, part_notes, display_name, excluded_from_budgets, created_at, updated_at
    FROM transactions
    CROSS JOIN LATERAL (
        SELECT lower(concat_ws(E'\x1e', description, merchant, display_name, note, array_to_string(tags, E'\x1e'),
            array_to_string(part_notes, E'\x1e'))) || CASE WHEN $24::boolean THEN
                translate(format('=%s=', trim_scale(abs(amount_minor)::numeric / coalesce(($13::jsonb ->> currency)::int, 100))),
                    '0123456789.', 'ABCDEFGHIJK') ELSE '' END AS words
        OFFSET 0
    ) AS said
    WHERE user_id = $1 AND successor_id IS NULL AND removed_at IS NULL
      AND (posted_on, transaction_id) <= (stretch.newest_on, stretch.newest_id)
      AND (posted_on, transaction_id) >= (stretch.oldest_on, stretch.oldest_id)
      AND ($7::bigint[] IS NULL OR account_id = ANY ($7))
      AND ($8::int[] IS NULL OR category_id = ANY ($8) OR part_category_ids && $8)
      AND ($9::boolean IS NULL OR pending = $9)
      AND ($10::text IS NULL OR description ILIKE $10 OR merchant ILIKE $10 OR display_name ILIKE $10 OR note ILIKE $10
        OR array_to_string(part_notes, E'\x1e') ILIKE $10)
      AND ($11::numeric IS NULL OR amount_minor >= $11 * coalesce(($13::jsonb ->> currency)::int, 100))
      AND ($12::numeric IS NULL OR amount_minor <= $12 * coalesce(($13::jsonb ->> currency)::int, 100))
      AND ($14::text[] IS NULL OR tags && $14)
      AND ($15::boolean IS NULL OR (note IS NOT NULL) = $15)
      AND ($16::boolean IS NULL OR coalesce(excluded_from_budgets, false) = $16)
      AND ($17::text[] IS NULL OR (said.words LIKE ANY ($17) AND coalesce(word_similarity(($23::text[])[1], said.words) >= 0.6, true)))
      AND ($18::text[] IS NULL OR (said.words LIKE ANY ($18) AND coalesce(word_similarity(($23::text[])[2], said.words) >= 0.6, true)))
      AND ($19::text[] IS NULL OR (said.words LIKE ANY ($19) AND coalesce(word_similarity(($23::text[])[3], said.words) >= 0.6, true)))
      AND ($20::text[] IS NULL OR (said.words LIKE ANY ($20) AND coalesce(word_similarity(($23::text[])[4], said.words) >= 0.6, true)))
      AND ($21::text[] IS NULL OR (said.words LIKE ANY ($21) AND coalesce(word_similarity(($23::text[])[5], said.words) >= 0.6, true)))
      AND ($22::text[] IS NULL OR (said.words LIKE ANY ($22) AND coalesce(word_similarity(($23::text[])[6], said.words) >= 0.6, true)))
    OFFSET 0
) AS found
WHERE $26::numeric IS NULL OR (found.sort_key, found.transaction_id) > ($26, $27::bigint)
ORDER BY found.sort_key, found.transaction_id LIMIT $6

-- name: count_up_to
-- How many transactions have the words, counted no further than asked.
SELECT count(*)::int AS found FROM (
    SELECT FROM unnest($2::date[], $3::bigint[], $4::date[], $5::bigint[])
        AS stretch (newest_on, newest_id, oldest_on, oldest_id)
    CROSS JOIN LATERAL (
        SELECT FROM transactions
        CROSS JOIN LATERAL (
            SELECT lower(concat_ws(E'\x1e', description, merchant, display_name, note, array_to_string(tags, E'\x1e'),
                array_to_string(part_notes, E'\x1e'))) || CASE WHEN $24::boolean THEN
                    translate(format('=%s=', trim_scale(abs(amount_minor)::numeric / coalesce(($13::jsonb ->> currency)::int, 100))),
                        '0123456789.', 'ABCDEFGHIJK') ELSE '' END AS words
            OFFSET 0
        ) AS said
        WHERE user_id = $1 AND successor_id IS NULL AND removed_at IS NULL
          AND (posted_on, transaction_id) <= (stretch.newest_on, stretch.newest_id)
          AND (posted_on, transaction_id) >= (stretch.oldest_on, stretch.oldest_id)
          AND ($7::bigint[] IS NULL OR account_id = ANY ($7))
          AND ($8::int[] IS NULL OR category_id = ANY ($8) OR part_category_ids && $8)
          AND ($9::boolean IS NULL OR pending = $9)
          AND ($10::text IS NULL OR description ILIKE $10 OR merchant ILIKE $10 OR display_name ILIKE $10 OR note ILIKE $10
            OR array_to_string(part_notes, E'\x1e') ILIKE $10)
          AND ($11::numeric IS NULL OR amount_minor >= $11 * coalesce(($13::jsonb ->> currency)::int, 100))
          AND ($12::numeric IS NULL OR amount_minor <= $12 * coalesce(($13::jsonb ->> currency)::int, 100))
          AND ($14::text[] IS NULL OR tags && $14)
          AND ($15::boolean IS NULL OR (note IS NOT NULL) = $15)
          AND ($16::boolean IS NULL OR coalesce(excluded_from_budgets, false) = $16)
          AND ($17::text[] IS NULL OR (said.words LIKE ANY ($17) AND coalesce(word_similarity(($23::text[])[1], said.words) >= 0.6, true)))
          AND ($18::text[] IS NULL OR (said.words LIKE ANY ($18) AND coalesce(word_similarity(($23::text[])[2], said.words) >= 0.6, true)))
          AND ($19::text[] IS NULL OR (said.words LIKE ANY ($19) AND coalesce(word_similarity(($23::text[])[3], said.words) >= 0.6, true)))
          AND ($20::text[] IS NULL OR (said.words LIKE ANY ($20) AND coalesce(word_similarity(($23::text[])[4], said.words) >= 0.6, true)))
          AND ($21::text[] IS NULL OR (said.words LIKE ANY ($21) AND coalesce(word_similarity(($23::text[])[5], said.words) >= 0.6, true)))
          AND ($22::text[] IS NULL OR (said.words LIKE ANY ($22) AND coalesce(word_similarity(($23::text[])[6], said.words) >= 0.6, true)))
        OFFSET 0
    ) AS of_stretch
    LIMIT $6
) AS bounded

-- name: seller_words
-- What a person's sellers are called: each key once, by leaps along the index, and the names they or rules gave.
WITH RECURSIVE sellers AS (
    (SELECT merchant_key FROM transactions
     WHERE user_id = $1 AND successor_id IS NULL AND removed_at IS NULL ORDER BY merchant_key LIMIT 1)
    UNION ALL
    SELECT (SELECT next.merchant_key FROM transactions AS next
            WHERE next.user_id = $1 AND next.merchant_key > sellers.merchant_key
              AND next.successor_id IS NULL AND next.removed_at IS NULL ORDER BY next.merchant_key LIMIT 1)
    FROM sellers WHERE sellers.merchant_key IS NOT NULL
), names AS (
    (SELECT display_name FROM transactions
     WHERE user_id = $1 AND display_name IS NOT NULL AND successor_id IS NULL AND removed_at IS NULL
     ORDER BY display_name LIMIT 1)
    UNION ALL
    SELECT (SELECT next.display_name FROM transactions AS next
            WHERE next.user_id = $1 AND next.display_name > names.display_name
              AND next.successor_id IS NULL AND next.removed_at IS NULL ORDER BY next.display_name LIMIT 1)
    FROM names WHERE names.display_name IS NOT NULL
)
(SELECT merchant_key AS text FROM sellers WHERE merchant_key IS NOT NULL LIMIT $2)
UNION ALL
(SELECT display_name FROM names WHERE display_name IS NOT NULL LIMIT $2)
