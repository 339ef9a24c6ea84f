-- name: built_seq
-- Up to where in the log of changes the words of a person's months are known; null where they are not.
SELECT max(seq) AS seq FROM search_months WHERE user_id = $1

-- name: newest_month
-- The newest month of a person of which it is written down what stands there; null where there is none.
SELECT max(month) AS month FROM search_months WHERE user_id = $1

-- name: changed
-- Months of transactions that the log of changes names after a place, in $3 mentions at most, and months that were moved
-- out of the database and may be back; with how many mentions that was.
WITH mentions AS (
    SELECT mention.transaction_id FROM transaction_changes AS log
    CROSS JOIN LATERAL unnest(log.added_ids || log.changed_ids) AS mention (transaction_id)
    WHERE log.user_id = $1 AND log.seq > $2
    LIMIT $3
)
SELECT (SELECT count(*)::int FROM mentions) AS mentions, array_agg(DISTINCT found.month) AS months
FROM (
    SELECT of_row.month FROM (SELECT DISTINCT transaction_id FROM mentions) AS mention CROSS JOIN LATERAL (
        SELECT date_trunc('month', posted_on)::date AS month FROM transactions
        WHERE user_id = $1 AND transaction_id = mention.transaction_id OFFSET 0
    ) AS of_row
    UNION ALL
    SELECT month FROM archived_months WHERE user_id = $1
) AS found

-- name: having
-- Months of a person that have all of some words somewhere; $2: for each word a list of the texts that will do, as JSON.
SELECT kept.month FROM search_months AS kept
CROSS JOIN LATERAL (SELECT kept.words || '' AS words OFFSET 0) AS said
WHERE kept.user_id = $1 AND NOT EXISTS (
    SELECT FROM jsonb_array_elements($2::jsonb) AS word (texts) WHERE NOT EXISTS (
        SELECT FROM jsonb_array_elements_text(word.texts) AS text (said_so) WHERE strpos(said.words, text.said_so) > 0
    )
)
