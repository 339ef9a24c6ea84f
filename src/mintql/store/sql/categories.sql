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
