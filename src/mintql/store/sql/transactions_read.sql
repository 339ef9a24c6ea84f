-- Pages of a person's transactions, in the order of (posted_on, transaction_id). All eight take the same parameters:
-- $1 person; ($2, $3) newest and ($4, $5) oldest key, both included; $6 rows at most; $7 accounts; $8 categories;
-- $9 pending; $10 pattern of text; $11 least and $12 greatest amount in whole units of the row's currency; $13
-- minor units to the unit of currencies where that is not 100, as JSON; $14 tags, any of them, as they are spelled;
-- $15 whether there is a note; $16 whether budgets leave it out. $7 to $12 and $14 to $16 are NULL where not
-- asked for.
--
-- Each walks one index in its order and stops: `page_*` that of the person, `tagged_page_*` that of the person's
-- tagged rows, `account_page_*` and `category_page_*` those of each account or category, whose few rows are then
-- merged. A split row is in the categories of its parts as well: `category_page_*` also walk the index of split rows,
-- for those that are not in one of the categories already. Separate texts rather than one with a switch, because a
-- plan that is kept for all parameters could not follow it.

-- name: page_newest_first
-- Transactions of a person, newest first, between two keys.
SELECT transaction_id, account_id, posted_on, amount_minor, currency, pending, category_id, category_source,
    category_detail, institution_code, description, merchant, merchant_key, note, tags, part_category_ids,
    part_amounts_minor, part_notes, display_name, excluded_from_budgets, created_at, updated_at
FROM transactions
WHERE user_id = $1 AND successor_id IS NULL AND removed_at IS NULL
  AND (posted_on, transaction_id) <= ($2::date, $3::bigint)
  AND (posted_on, transaction_id) >= ($4::date, $5::bigint)
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
ORDER BY posted_on DESC, transaction_id DESC LIMIT $6

-- name: page_oldest_first
-- Transactions of a person, oldest first, between two keys.
SELECT transaction_id, account_id, posted_on, amount_minor, currency, pending, category_id, category_source,
    category_detail, institution_code, description, merchant, merchant_key, note, tags, part_category_ids,
    part_amounts_minor, part_notes, display_name, excluded_from_budgets, created_at, updated_at
FROM transactions
WHERE user_id = $1 AND successor_id IS NULL AND removed_at IS NULL
  AND (posted_on, transaction_id) <= ($2::date, $3::bigint)
  AND (posted_on, transaction_id) >= ($4::date, $5::bigint)
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
ORDER BY posted_on, transaction_id LIMIT $6

-- name: tagged_page_newest_first
-- Transactions with one of some tags, newest first, between two keys.
SELECT transaction_id, account_id, posted_on, amount_minor, currency, pending, category_id, category_source,
    category_detail, institution_code, description, merchant, merchant_key, note, tags, part_category_ids,
    part_amounts_minor, part_notes, display_name, excluded_from_budgets, created_at, updated_at
FROM transactions
WHERE user_id = $1 AND tags IS NOT NULL AND tags && $14::text[] AND successor_id IS NULL AND removed_at IS NULL
  AND (posted_on, transaction_id) <= ($2::date, $3::bigint)
  AND (posted_on, transaction_id) >= ($4::date, $5::bigint)
  AND ($7::bigint[] IS NULL OR account_id = ANY ($7))
  AND ($8::int[] IS NULL OR category_id = ANY ($8) OR part_category_ids && $8)
  AND ($9::boolean IS NULL OR pending = $9)
  AND ($10::text IS NULL OR description ILIKE $10 OR merchant ILIKE $10 OR display_name ILIKE $10 OR note ILIKE $10
    OR array_to_string(part_notes, E'\x1e') ILIKE $10)
  AND ($11::numeric IS NULL OR amount_minor >= $11 * coalesce(($13::jsonb ->> currency)::int, 100))
  AND ($12::numeric IS NULL OR amount_minor <= $12 * coalesce(($13::jsonb ->> currency)::int, 100))
  AND ($15::boolean IS NULL OR (note IS NOT NULL) = $15)
  AND ($16::boolean IS NULL OR coalesce(excluded_from_budgets, false) = $16)
ORDER BY posted_on DESC, transaction_id DESC LIMIT $6

-- name: tagged_page_oldest_first
-- Transactions with one of some tags, oldest first, between two keys.
SELECT transaction_id, account_id, posted_on, amount_minor, currency, pending, category_id, category_source,
    category_detail, institution_code, description, merchant, merchant_key, note, tags, part_category_ids,
    part_amounts_minor, part_notes, display_name, excluded_from_budgets, created_at, updated_at
FROM transactions
WHERE user_id = $1 AND tags IS NOT NULL AND tags && $14::text[] AND successor_id IS NULL AND removed_at IS NULL
  AND (posted_on, transaction_id) <= ($2::date, $3::bigint)
  AND (posted_on, transaction_id) >= ($4::date, $5::bigint)
  AND ($7::bigint[] IS NULL OR account_id = ANY ($7))
  AND ($8::int[] IS NULL OR category_id = ANY ($8) OR part_category_ids && $8)
  AND ($9::boolean IS NULL OR pending = $9)
  AND ($10::text IS NULL OR description ILIKE $10 OR merchant ILIKE $10 OR display_name ILIKE $10 OR note ILIKE $10
    OR array_to_string(part_notes, E'\x1e') ILIKE $10)
  AND ($11::numeric IS NULL OR amount_minor >= $11 * coalesce(($13::jsonb ->> currency)::int, 100))
  AND ($12::numeric IS NULL OR amount_minor <= $12 * coalesce(($13::jsonb ->> currency)::int, 100))
  AND ($15::boolean IS NULL OR (note IS NOT NULL) = $15)
  AND ($16::boolean IS NULL OR coalesce(excluded_from_budgets, false) = $16)
ORDER BY posted_on, transaction_id LIMIT $6

-- name: account_page_newest_first
-- Transactions of some accounts, newest first, between two keys.
SELECT found.* FROM unnest($7::bigint[]) AS wanted (id) CROSS JOIN LATERAL (
    SELECT transaction_id, account_id, posted_on, amount_minor, currency, pending, category_id, category_source,
        category_detail, institution_code, description, merchant, merchant_key, note, tags, part_category_ids,
        part_amounts_minor, part_notes, display_name, excluded_from_budgets, created_at, updated_at
    FROM transactions
    WHERE user_id = $1 AND account_id = wanted.id AND successor_id IS NULL AND removed_at IS NULL
      AND (posted_on, transaction_id) <= ($2::date, $3::bigint)
      AND (posted_on, transaction_id) >= ($4::date, $5::bigint)
      AND ($8::int[] IS NULL OR category_id = ANY ($8) OR part_category_ids && $8)
      AND ($9::boolean IS NULL OR pending = $9)
      AND ($10::text IS NULL OR description ILIKE $10 OR merchant ILIKE $10 OR display_name ILIKE $10 OR note ILIKE $10
        OR array_to_string(part_notes, E'\x1e') ILIKE $10)
      AND ($11::numeric IS NULL OR amount_minor >= $11 * coalesce(($13::jsonb ->> currency)::int, 100))
      AND ($12::numeric IS NULL OR amount_minor <= $12 * coalesce(($13::jsonb ->> currency)::int, 100))
      AND ($14::text[] IS NULL OR tags && $14)
      AND ($15::boolean IS NULL OR (note IS NOT NULL) = $15)
      AND ($16::boolean IS NULL OR coalesce(excluded_from_budgets, false) = $16)
    ORDER BY posted_on DESC, transaction_id DESC LIMIT $6
) AS found
ORDER BY posted_on DESC, transaction_id DESC LIMIT $6

-- name: account_page_oldest_first
-- Transactions of some accounts, oldest first, between two keys.
SELECT found.* FROM unnest($7::bigint[]) AS wanted (id) CROSS JOIN LATERAL (
    SELECT transaction_id, account_id, posted_on, amount_minor, currency, pending, category_id, category_source,
        category_detail, institution_code, description, merchant, merchant_key, note, tags, part_category_ids,
        part_amounts_minor, part_notes, display_name, excluded_from_budgets, created_at, updated_at
    FROM transactions
    WHERE user_id = $1 AND account_id = wanted.id AND successor_id IS NULL AND removed_at IS NULL
      AND (posted_on, transaction_id) <= ($2::date, $3::bigint)
      AND (posted_on, transaction_id) >= ($4::date, $5::bigint)
      AND ($8::int[] IS NULL OR category_id = ANY ($8) OR part_category_ids && $8)
      AND ($9::boolean IS NULL OR pending = $9)
      AND ($10::text IS NULL OR description ILIKE $10 OR merchant ILIKE $10 OR display_name ILIKE $10 OR note ILIKE $10
        OR array_to_string(part_notes, E'\x1e') ILIKE $10)
      AND ($11::numeric IS NULL OR amount_minor >= $11 * coalesce(($13::jsonb ->> currency)::int, 100))
      AND ($12::numeric IS NULL OR amount_minor <= $12 * coalesce(($13::jsonb ->> currency)::int, 100))
      AND ($14::text[] IS NULL OR tags && $14)
      AND ($15::boolean IS NULL OR (note IS NOT NULL) = $15)
      AND ($16::boolean IS NULL OR coalesce(excluded_from_budgets, false) = $16)
    ORDER BY posted_on, transaction_id LIMIT $6
) AS found
ORDER BY posted_on, transaction_id LIMIT $6

-- name: category_page_newest_first
-- Transactions that are in some categories, wholly or with a part, newest first, between two keys.
SELECT found.* FROM unnest($8::int[]) AS wanted (id) CROSS JOIN LATERAL (
    SELECT transaction_id, account_id, posted_on, amount_minor, currency, pending, category_id, category_source,
        category_detail, institution_code, description, merchant, merchant_key, note, tags, part_category_ids,
        part_amounts_minor, part_notes, display_name, excluded_from_budgets, created_at, updated_at
    FROM transactions
    WHERE user_id = $1 AND category_id = wanted.id AND successor_id IS NULL AND removed_at IS NULL
      AND (posted_on, transaction_id) <= ($2::date, $3::bigint)
      AND (posted_on, transaction_id) >= ($4::date, $5::bigint)
      AND ($7::bigint[] IS NULL OR account_id = ANY ($7))
      AND ($9::boolean IS NULL OR pending = $9)
      AND ($10::text IS NULL OR description ILIKE $10 OR merchant ILIKE $10 OR display_name ILIKE $10 OR note ILIKE $10
        OR array_to_string(part_notes, E'\x1e') ILIKE $10)
      AND ($11::numeric IS NULL OR amount_minor >= $11 * coalesce(($13::jsonb ->> currency)::int, 100))
      AND ($12::numeric IS NULL OR amount_minor <= $12 * coalesce(($13::jsonb ->> currency)::int, 100))
      AND ($14::text[] IS NULL OR tags && $14)
      AND ($15::boolean IS NULL OR (note IS NOT NULL) = $15)
      AND ($16::boolean IS NULL OR coalesce(excluded_from_budgets, false) = $16)
    ORDER BY posted_on DESC, transaction_id DESC LIMIT $6
) AS found
UNION ALL
(
    SELECT transaction_id, account_id, posted_on, amount_minor, currency, pending, category_id, category_source,
        category_detail, institution_code, description, merchant, merchant_key, note, tags, part_category_ids,
        part_amounts_minor, part_notes, display_name, excluded_from_budgets, created_at, updated_at
    FROM transactions
    WHERE user_id = $1 AND part_category_ids IS NOT NULL AND successor_id IS NULL AND removed_at IS NULL
      AND part_category_ids && $8 AND category_id <> ALL ($8)
      AND (posted_on, transaction_id) <= ($2::date, $3::bigint)
      AND (posted_on, transaction_id) >= ($4::date, $5::bigint)
      AND ($7::bigint[] IS NULL OR account_id = ANY ($7))
      AND ($9::boolean IS NULL OR pending = $9)
      AND ($10::text IS NULL OR description ILIKE $10 OR merchant ILIKE $10 OR display_name ILIKE $10 OR note ILIKE $10
        OR array_to_string(part_notes, E'\x1e') ILIKE $10)
      AND ($11::numeric IS NULL OR amount_minor >= $11 * coalesce(($13::jsonb ->> currency)::int, 100))
      AND ($12::numeric IS NULL OR amount_minor <= $12 * coalesce(($13::jsonb ->> currency)::int, 100))
      AND ($14::text[] IS NULL OR tags && $14)
      AND ($15::boolean IS NULL OR (note IS NOT NULL) = $15)
      AND ($16::boolean IS NULL OR coalesce(excluded_from_budgets, false) = $16)
    ORDER BY posted_on DESC, transaction_id DESC LIMIT $6
)
ORDER BY posted_on DESC, transaction_id DESC LIMIT $6

-- name: category_page_oldest_first
-- Transactions that are in some categories, wholly or with a part, oldest first, between two keys.
SELECT found.* FROM unnest($8::int[]) AS wanted (id) CROSS JOIN LATERAL (
    SELECT transaction_id, account_id, posted_on, amount_minor, currency, pending, category_id, category_source,
        category_detail, institution_code, description, merchant, merchant_key, note, tags, part_category_ids,
        part_amounts_minor, part_notes, display_name, excluded_from_budgets, created_at, updated_at
    FROM transactions
    WHERE user_id = $1 AND category_id = wanted.id AND successor_id IS NULL AND removed_at IS NULL
      AND (posted_on, transaction_id) <= ($2::date, $3::bigint)
      AND (posted_on, transaction_id) >= ($4::date, $5::bigint)
      AND ($7::bigint[] IS NULL OR account_id = ANY ($7))
      AND ($9::boolean IS NULL OR pending = $9)
      AND ($10::text IS NULL OR description ILIKE $10 OR merchant ILIKE $10 OR display_name ILIKE $10 OR note ILIKE $10
        OR array_to_string(part_notes, E'\x1e') ILIKE $10)
      AND ($11::numeric IS NULL OR amount_minor >= $11 * coalesce(($13::jsonb ->> currency)::int, 100))
      AND ($12::numeric IS NULL OR amount_minor <= $12 * coalesce(($13::jsonb ->> currency)::int, 100))
      AND ($14::text[] IS NULL OR tags && $14)
      AND ($15::boolean IS NULL OR (note IS NOT NULL) = $15)
      AND ($16::boolean IS NULL OR coalesce(excluded_from_budgets, false) = $16)
    ORDER BY posted_on, transaction_id LIMIT $6
) AS found
UNION ALL
(
    SELECT transaction_id, account_id, posted_on, amount_minor, currency, pending, category_id, category_source,
        category_detail, institution_code, description, merchant, merchant_key, note, tags, part_category_ids,
        part_amounts_minor, part_notes, display_name, excluded_from_budgets, created_at, updated_at
    FROM transactions
    WHERE user_id = $1 AND part_category_ids IS NOT NULL AND successor_id IS NULL AND removed_at IS NULL
      AND part_category_ids && $8 AND category_id <> ALL ($8)
      AND (posted_on, transaction_id) <= ($2::date, $3::bigint)
      AND (posted_on, transaction_id) >= ($4::date, $5::bigint)
      AND ($7::bigint[] IS NULL OR account_id = ANY ($7))
      AND ($9::boolean IS NULL OR pending = $9)
      AND ($10::text IS NULL OR description ILIKE $10 OR merchant ILIKE $10 OR display_name ILIKE $10 OR note ILIKE $10
        OR array_to_string(part_notes, E'\x1e') ILIKE $10)
      AND ($11::numeric IS NULL OR amount_minor >= $11 * coalesce(($13::jsonb ->> currency)::int, 100))
      AND ($12::numeric IS NULL OR amount_minor <= $12 * coalesce(($13::jsonb ->> currency)::int, 100))
      AND ($14::text[] IS NULL OR tags && $14)
      AND ($15::boolean IS NULL OR (note IS NOT NULL) = $15)
      AND ($16::boolean IS NULL OR coalesce(excluded_from_budgets, false) = $16)
    ORDER BY posted_on, transaction_id LIMIT $6
)
ORDER BY posted_on, transaction_id LIMIT $6

-- name: resolve
-- Transactions by the ids given, each followed from pending to posted; what was taken back is left out.
WITH RECURSIVE chain AS (
    SELECT transaction_id AS asked_id, transaction_id, successor_id, 0 AS steps
    FROM transactions WHERE user_id = $1 AND transaction_id = ANY ($2::bigint[])
    UNION ALL
    SELECT chain.asked_id, row.transaction_id, row.successor_id, chain.steps + 1
    FROM chain JOIN transactions AS row ON row.user_id = $1 AND row.transaction_id = chain.successor_id
    WHERE chain.steps < $3
)
SELECT chain.asked_id, row.transaction_id, row.account_id, row.posted_on, row.amount_minor, row.currency, row.pending,
    row.category_id, row.category_source, row.category_detail, row.institution_code, row.description, row.merchant,
    row.merchant_key, row.note, row.tags, row.part_category_ids, row.part_amounts_minor, row.part_notes,
    row.display_name, row.excluded_from_budgets, row.created_at, row.updated_at
FROM chain JOIN transactions AS row ON row.user_id = $1 AND row.transaction_id = chain.transaction_id
WHERE row.successor_id IS NULL AND row.removed_at IS NULL

-- name: by_ids
-- Transactions by exactly these ids, as far as they count.
SELECT row.* FROM (SELECT DISTINCT unnest($2::bigint[]) AS id) AS asked CROSS JOIN LATERAL (
    SELECT transaction_id, account_id, posted_on, amount_minor, currency, pending, category_id, category_source,
        category_detail, institution_code, description, merchant, merchant_key, note, tags, part_category_ids,
        part_amounts_minor, part_notes, display_name, excluded_from_budgets, created_at, updated_at
    FROM transactions
    WHERE user_id = $1 AND transaction_id = asked.id AND successor_id IS NULL AND removed_at IS NULL OFFSET 0
) AS row
ORDER BY row.transaction_id

-- name: by_id_after
-- The next transactions after an id, in the order of their ids.
SELECT transaction_id, account_id, posted_on, amount_minor, currency, pending, category_id, category_source,
    category_detail, institution_code, description, merchant, merchant_key, note, tags, part_category_ids,
    part_amounts_minor, part_notes, display_name, excluded_from_budgets, created_at, updated_at
FROM transactions
WHERE user_id = $1 AND transaction_id > $2 AND successor_id IS NULL AND removed_at IS NULL
ORDER BY transaction_id LIMIT $3
