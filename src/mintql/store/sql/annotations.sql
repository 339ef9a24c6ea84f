-- name: set_annotation
-- Writes a person's note and tags onto a transaction; returns it if that changed anything.
UPDATE transactions SET note = $3, tags = $4, updated_at = $5
WHERE user_id = $1 AND transaction_id = $2 AND (note, tags) IS DISTINCT FROM ($3, $4::text[])
RETURNING transaction_id

-- name: set_parts
-- Writes a person's split of a transaction; returns its posting date if that changed anything.
UPDATE transactions SET part_category_ids = $3, part_amounts_minor = $4, part_notes = $5, updated_at = $6
WHERE user_id = $1 AND transaction_id = $2
  AND (part_category_ids, part_amounts_minor, part_notes) IS DISTINCT FROM ($3::int[], $4::bigint[], $5::text[])
RETURNING posted_on

-- name: set_tags
-- Writes tags onto transactions, from one line a tag in order, or one line with NULL for a transaction that gets none.
UPDATE transactions AS row SET tags = said.tags, updated_at = $4
FROM (
    SELECT transaction_id, array_agg(tag ORDER BY place) FILTER (WHERE tag IS NOT NULL) AS tags
    FROM unnest($2::bigint[], $3::text[]) WITH ORDINALITY AS line (transaction_id, tag, place)
    GROUP BY transaction_id
) AS said
WHERE row.user_id = $1 AND row.transaction_id = said.transaction_id AND row.tags IS DISTINCT FROM said.tags
RETURNING row.transaction_id

-- name: tag_counts
-- Tags of a person with how many transactions carry each, the most used first; those of some transactions left out. An
-- archived month that has accounts which may not be seen tells nothing: its tags are not told apart by account.
SELECT tag, sum(carriers)::int AS transactions
FROM (
    SELECT tag, count(*)::int AS carriers
    FROM transactions CROSS JOIN LATERAL unnest(tags) AS carried (tag)
    WHERE user_id = $1 AND tags IS NOT NULL AND successor_id IS NULL AND removed_at IS NULL
      AND transaction_id <> ALL ($2::bigint[])
    GROUP BY tag
    UNION ALL
    SELECT tag, carriers FROM archived_months CROSS JOIN LATERAL unnest(tags, tag_counts) AS carried (tag, carriers)
    WHERE user_id = $1 AND state = 'archived'
      AND (SELECT bool_and(archive_shows(account_id)) FROM unnest(account_ids) AS of (account_id))
) AS counted
GROUP BY tag ORDER BY transactions DESC, tag

-- name: adjust
-- Writes the name to show ($4, if $3) and whether budgets leave it out ($6, if $5) onto transactions of a person.
UPDATE transactions SET
    display_name = CASE WHEN $3 THEN $4 ELSE display_name END,
    excluded_from_budgets = CASE WHEN $5 THEN $6 ELSE excluded_from_budgets END,
    updated_at = $7
WHERE user_id = $1 AND transaction_id = ANY ($2::bigint[])
  AND (($3::boolean AND display_name IS DISTINCT FROM $4::text)
    OR ($5::boolean AND excluded_from_budgets IS DISTINCT FROM $6::boolean))
RETURNING transaction_id, posted_on
