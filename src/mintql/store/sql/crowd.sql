-- name: lock_crowd
-- Lets voters on these sellers take turns until the transaction ends, whoever they are: not of one user_id.
SELECT lock_crowd($1::text[])

-- name: settle_votes
-- Makes a person's votes on sellers what their latest choices say, where those are of a category that votes count for.
WITH latest AS (
    SELECT DISTINCT ON (merchant_key) merchant_key, category_id, chosen_at FROM category_choices
    WHERE user_id = $1 AND merchant_key = ANY ($2::text[])
    ORDER BY merchant_key, chosen_at DESC, transaction_id DESC
), retracted AS (
    DELETE FROM seller_votes AS vote
    WHERE vote.user_id = $1 AND vote.merchant_key = ANY ($2::text[]) AND NOT EXISTS (
        SELECT FROM latest WHERE latest.merchant_key = vote.merchant_key AND latest.category_id = ANY ($3::int[])
    )
)
INSERT INTO seller_votes AS vote (user_id, merchant_key, category_id, voted_at)
SELECT $1, merchant_key, category_id, chosen_at FROM latest WHERE category_id = ANY ($3::int[])
ON CONFLICT (user_id, merchant_key) DO UPDATE SET category_id = excluded.category_id, voted_at = excluded.voted_at
WHERE vote.category_id <> excluded.category_id

-- name: of_sellers
-- What the crowd chose for sellers, of those that enough people chose for; counts of everybody, not of one user_id.
SELECT merchant_key, voters, top_category_id, top_voters FROM crowd_of_sellers($1::text[], $2)
