-- name: seller_memories
-- What these persons chose for these sellers.
SELECT user_id, merchant_key, category_id FROM seller_memories
WHERE user_id = ANY ($1::bigint[]) AND merchant_key = ANY ($2::text[])
