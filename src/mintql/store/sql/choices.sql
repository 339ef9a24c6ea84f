-- name: keep_choices
-- Keeps what transactions are now, before a person chooses their category; of one chosen before, what it was then.
INSERT INTO category_choices AS choice (user_id, transaction_id, merchant_key, category_id, chosen_at, remembered_at,
    memory_before, before_category_id, before_source, before_detail)
SELECT row.user_id, row.transaction_id, row.merchant_key, $3, $4::timestamptz, CASE WHEN $5::boolean THEN $4::timestamptz END,
    CASE WHEN $5 AND NOT EXISTS (
        SELECT FROM category_choices AS standing
        WHERE standing.user_id = row.user_id AND standing.merchant_key = row.merchant_key
          AND standing.remembered_at IS NOT NULL
    ) THEN memory.category_id END,
    row.category_id, row.category_source, row.category_detail
FROM transactions AS row
LEFT JOIN seller_memories AS memory ON memory.user_id = row.user_id AND memory.merchant_key = row.merchant_key
WHERE row.user_id = $1 AND row.transaction_id = ANY ($2::bigint[])
ON CONFLICT (user_id, transaction_id) DO UPDATE SET merchant_key = excluded.merchant_key,
    category_id = excluded.category_id, chosen_at = excluded.chosen_at,
    remembered_at = coalesce(excluded.remembered_at, choice.remembered_at),
    memory_before = coalesce(choice.memory_before, excluded.memory_before)

-- name: recategorize
-- Puts transactions into a category by a person's own choice; returns those that this changed.
UPDATE transactions SET category_id = $3, category_source = 'manual', category_detail = '', updated_at = $4
WHERE user_id = $1 AND transaction_id = ANY ($2::bigint[])
  AND (category_id, category_source) IS DISTINCT FROM ($3, 'manual')
RETURNING transaction_id, posted_on

-- name: remember_sellers
-- Remembers that sellers belong into a category from now on, by a person's word.
INSERT INTO seller_memories AS memory (user_id, merchant_key, category_id)
SELECT $1, merchant_key, $3 FROM unnest($2::text[]) AS wanted (merchant_key) ORDER BY merchant_key
ON CONFLICT (user_id, merchant_key) DO UPDATE SET category_id = excluded.category_id, created_at = now()
WHERE memory.category_id <> excluded.category_id

-- name: led_to
-- Transactions that a person chose for and that gave way to others since, directly or through others: to which.
WITH RECURSIVE chain AS (
    SELECT row.transaction_id AS old_id, row.successor_id AS now_id, 1 AS steps
    FROM category_choices AS choice JOIN transactions AS row USING (user_id, transaction_id)
    WHERE choice.user_id = $1 AND row.successor_id IS NOT NULL
    UNION ALL
    SELECT chain.old_id, row.successor_id, chain.steps + 1
    FROM chain JOIN transactions AS row ON row.user_id = $1 AND row.transaction_id = chain.now_id
    WHERE row.successor_id IS NOT NULL AND chain.steps < $3
)
SELECT DISTINCT old_id, now_id FROM chain WHERE now_id = ANY ($2::bigint[]) ORDER BY old_id, now_id

-- name: hand_on
-- Copies choices to transactions that take a category chosen by hand over, with what those are until now.
INSERT INTO category_choices (user_id, transaction_id, merchant_key, category_id, chosen_at, remembered_at,
    memory_before, before_category_id, before_source, before_detail)
SELECT DISTINCT ON (choice.user_id, said.to_id) choice.user_id, said.to_id, choice.merchant_key, choice.category_id,
    choice.chosen_at, choice.remembered_at, choice.memory_before, row.category_id, row.category_source,
    row.category_detail
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS said (user_id, from_id, to_id)
JOIN category_choices AS choice ON choice.user_id = said.user_id AND choice.transaction_id = said.from_id
JOIN transactions AS row ON row.user_id = said.user_id AND row.transaction_id = said.to_id
WHERE row.category_source <> 'manual'
ORDER BY choice.user_id, said.to_id, choice.chosen_at DESC
ON CONFLICT (user_id, transaction_id) DO NOTHING

-- name: take_back
-- Forgets choices on transactions; what was remembered before there were any is kept with another that stands.
WITH gone AS (
    DELETE FROM category_choices WHERE user_id = $1 AND transaction_id = ANY ($2::bigint[])
    RETURNING transaction_id, merchant_key, remembered_at IS NOT NULL AS remembered, memory_before,
        before_category_id, before_source, before_detail
), handed_on AS (
    UPDATE category_choices AS choice SET memory_before = gone.memory_before
    FROM (SELECT merchant_key, min(memory_before) AS memory_before FROM gone GROUP BY merchant_key) AS gone
    WHERE choice.user_id = $1 AND choice.merchant_key = gone.merchant_key AND choice.remembered_at IS NOT NULL
      AND choice.transaction_id <> ALL ($2::bigint[]) AND gone.memory_before IS NOT NULL
)
SELECT * FROM gone ORDER BY transaction_id

-- name: standing
-- The latest choice that stands for each of these sellers, among those that are meant for the seller.
SELECT DISTINCT ON (merchant_key) merchant_key, category_id FROM category_choices
WHERE user_id = $1 AND merchant_key = ANY ($2::text[]) AND remembered_at IS NOT NULL
ORDER BY merchant_key, remembered_at DESC, transaction_id DESC

-- name: set_memories
-- Remembers what is given of sellers; nothing of those that come with none.
WITH said AS (
    SELECT merchant_key, category_id FROM unnest($2::text[], $3::int[]) AS said (merchant_key, category_id)
), forgotten AS (
    DELETE FROM seller_memories AS memory USING said
    WHERE memory.user_id = $1 AND memory.merchant_key = said.merchant_key AND said.category_id IS NULL
)
INSERT INTO seller_memories AS memory (user_id, merchant_key, category_id)
SELECT $1, merchant_key, category_id FROM said WHERE category_id IS NOT NULL ORDER BY merchant_key
ON CONFLICT (user_id, merchant_key) DO UPDATE SET category_id = excluded.category_id, created_at = now()
WHERE memory.category_id <> excluded.category_id

-- name: restore
-- Gives transactions back what they were before a person chose; returns those that this changed.
UPDATE transactions AS row SET category_id = said.category_id, category_source = said.source,
    category_detail = said.detail, updated_at = $6
FROM unnest($2::bigint[], $3::int[], $4::text[], $5::text[]) AS said (transaction_id, category_id, source, detail)
WHERE row.user_id = $1 AND row.transaction_id = said.transaction_id AND row.category_source = 'manual'
RETURNING row.transaction_id, row.posted_on

-- name: memories
-- What a person chose for sellers, by seller, after a key.
SELECT memory.merchant_key, memory.category_id, memory.created_at, (
        SELECT coalesce(row.display_name, row.merchant) FROM transactions AS row
        WHERE row.user_id = memory.user_id AND row.transaction_id = (
            SELECT choice.transaction_id FROM category_choices AS choice
            WHERE choice.user_id = memory.user_id AND choice.merchant_key = memory.merchant_key
            ORDER BY choice.chosen_at DESC LIMIT 1
        )
    ) AS merchant
FROM seller_memories AS memory
WHERE memory.user_id = $1 AND memory.merchant_key > $2 ORDER BY memory.merchant_key LIMIT $3

-- name: forget_seller
-- Forgets what a person chose for a seller; the choices on transactions stay, but are no longer meant for the seller.
WITH kept AS (
    UPDATE category_choices SET remembered_at = NULL, memory_before = NULL
    WHERE user_id = $1 AND merchant_key = $2 AND remembered_at IS NOT NULL
)
DELETE FROM seller_memories WHERE user_id = $1 AND merchant_key = $2 RETURNING merchant_key
