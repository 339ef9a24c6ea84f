-- name: supersede_rows
-- Points pending rows to their posted successors; they count no more.
UPDATE transactions AS row SET successor_id = said.successor_id, updated_at = $4
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS said (user_id, transaction_id, successor_id)
WHERE row.user_id = said.user_id AND row.transaction_id = said.transaction_id

-- name: write_personal
-- Writes onto rows what a person had set on the ones that gave way to them.
UPDATE transactions AS row SET note = said.note, tags = said.tags, part_category_ids = said.part_category_ids,
    part_amounts_minor = said.part_amounts_minor, part_notes = said.part_notes,
    display_name = said.display_name, excluded_from_budgets = said.excluded_from_budgets
FROM jsonb_to_recordset($1::text::jsonb) AS said (user_id bigint, transaction_id bigint, note text, tags text[],
    part_category_ids int[], part_amounts_minor bigint[], part_notes text[],
    display_name text, excluded_from_budgets boolean)
WHERE row.user_id = said.user_id AND row.transaction_id = said.transaction_id

-- name: write_matches
-- Keeps which row stands for which, and why. What a person decided is not taken up again.
INSERT INTO transaction_matches AS match (user_id, from_id, to_id, kind, state, run_id, created_at)
SELECT *, $7 FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::bigint[])
ON CONFLICT (user_id, from_id) DO UPDATE SET to_id = excluded.to_id, kind = excluded.kind, state = excluded.state,
    run_id = excluded.run_id, created_at = excluded.created_at
WHERE match.decided_at IS NULL

-- name: move_suggestions
-- Lets suggestions that a row gives way to one of these be about the row that stands for that one now.
UPDATE transaction_matches AS match SET to_id = said.to_id
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS said (user_id, from_id, to_id)
WHERE match.user_id = said.user_id AND match.to_id = said.from_id AND match.state = 'suggested'
  AND match.from_id <> said.to_id

-- name: free_file_rows
-- Lets rows of files count again that gave way to these, directly or through others, by the machine's word: what they
-- gave way to was taken back, and the file still tells of it.
WITH RECURSIVE gave_way AS (
    SELECT match.user_id, match.from_id, match.to_id, match.kind, match.decided_at, 1 AS steps
    FROM unnest($1::bigint[], $2::bigint[]) AS gone (user_id, transaction_id)
    JOIN transaction_matches AS match ON match.user_id = gone.user_id AND match.to_id = gone.transaction_id
        AND match.state = 'applied'
    UNION ALL
    SELECT match.user_id, match.from_id, match.to_id, match.kind, match.decided_at, gave_way.steps + 1
    FROM gave_way JOIN transaction_matches AS match ON match.user_id = gave_way.user_id
        AND match.to_id = gave_way.from_id AND match.state = 'applied'
    WHERE gave_way.kind <> 'same_purchase' AND gave_way.steps < 500
), freed AS (
    DELETE FROM transaction_matches AS match USING gave_way
    WHERE match.user_id = gave_way.user_id AND match.from_id = gave_way.from_id
      AND gave_way.kind = 'same_purchase' AND gave_way.decided_at IS NULL
    RETURNING match.user_id, match.from_id, match.to_id
)
UPDATE transactions AS row SET successor_id = NULL, updated_at = $3
FROM freed
WHERE row.user_id = freed.user_id AND row.transaction_id = freed.from_id AND row.successor_id = freed.to_id
RETURNING row.user_id, row.account_id, row.transaction_id, row.posted_on, row.removed_at IS NULL AS counts

-- name: forget_matches
-- Forgets that these rows gave way to others: the institution says by now that they are purchases of their own.
DELETE FROM transaction_matches AS match USING unnest($1::bigint[], $2::bigint[]) AS asked (user_id, from_id)
WHERE match.user_id = asked.user_id AND match.from_id = asked.from_id
