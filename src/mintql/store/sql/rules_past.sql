-- name: preview_counts
-- How many transactions a rule ($2, as JSON) holds for, would change, and leaves where the person put them; some that
-- it would change, the newest first. $3 are rules that come before it.
SELECT count(*)::int AS matched, (count(*) FILTER (WHERE changes))::int AS changed,
    (count(*) FILTER (WHERE manual))::int AS manual,
    coalesce((array_agg(transaction_id ORDER BY posted_on DESC, transaction_id DESC) FILTER (WHERE changes))[:$4], '{}')
        AS transaction_ids
FROM (
    SELECT *, num_nonnulls(category_id_after, display_name_after, tags_added, excluded_after) > 0 AS changes
    FROM rule_targets($1::bigint, $2::jsonb, $3::text[])
    -- user_id is given to the function
) AS target

-- name: preview_sums
-- By how much a rule would change the monthly sums.
WITH target AS (
    SELECT * FROM rule_targets($1::bigint, $2::jsonb, $3::text[]) -- of one user_id
    WHERE num_nonnulls(category_id_after, excluded_after) > 0
), sides AS (
    SELECT sign, posted_on, side.category_id, currency, pending, left_out,
        CASE WHEN part_category_ids IS NULL THEN amount_minor ELSE amount_minor - sum_minor(part_amounts_minor) END
            AS amount_minor, 1 AS one
    FROM target CROSS JOIN LATERAL (VALUES
        (-1, category_id, coalesce(excluded_from_budgets, false)),
        (1, coalesce(category_id_after, category_id), coalesce(excluded_after, excluded_from_budgets, false))
    ) AS side (sign, category_id, left_out)
    UNION ALL
    SELECT sign, posted_on, part.category_id, currency, pending, left_out, part.amount_minor, 1
    FROM target CROSS JOIN LATERAL unnest(part_category_ids, part_amounts_minor) AS part (category_id, amount_minor)
    CROSS JOIN LATERAL (VALUES
        (-1, coalesce(excluded_from_budgets, false)),
        (1, coalesce(excluded_after, excluded_from_budgets, false))
    ) AS side (sign, left_out)
    WHERE part_category_ids IS NOT NULL
)
SELECT date_trunc('month', posted_on)::date AS month, category_id, currency,
    coalesce(sum(sign * amount_minor) FILTER (WHERE NOT pending), 0)::bigint AS posted_minor,
    coalesce(sum(sign * amount_minor) FILTER (WHERE pending), 0)::bigint AS pending_minor,
    coalesce(sum(sign) FILTER (WHERE NOT pending), 0)::int AS posted_count,
    coalesce(sum(sign) FILTER (WHERE pending), 0)::int AS pending_count,
    coalesce(sum(sign * amount_minor) FILTER (WHERE left_out AND NOT pending), 0)::bigint AS excluded_posted_minor,
    coalesce(sum(sign * amount_minor) FILTER (WHERE left_out AND pending), 0)::bigint AS excluded_pending_minor
FROM sides GROUP BY 1, 2, 3 ORDER BY 1 DESC, 2, 3

-- name: give_time
-- Lets statements of this transaction run for longer, for what is done to all rows of one person at once.
SELECT set_config('statement_timeout', $2, true) FROM users WHERE user_id = $1

-- name: open_application
-- Begins an application of a rule to the past; returns its id.
INSERT INTO rule_applications (user_id, rule_id, rule_name, matched_count, changed_count, manual_count, applied_at)
VALUES ($1, $2, $3, 0, 0, 0, $4) RETURNING application_id

-- name: apply
-- Does what a rule ($2) says on all transactions it holds for, and keeps what each was before, under an application
-- ($4). $5 is how the transactions keep which rule decided. Returns counts, some ids and the months.
WITH target AS MATERIALIZED (
    SELECT *, num_nonnulls(category_id_after, display_name_after, tags_added, excluded_after) > 0 AS changes
    FROM rule_targets($1::bigint, $2::jsonb, $3::text[])
), kept AS (
    INSERT INTO rule_changes (user_id, application_id, transaction_id, category_id_before, category_source_before,
        category_detail_before, category_id_after, category_detail_after, display_name, tags_added,
        excluded_from_budgets)
    SELECT $1, $4, transaction_id, category_id, category_source, category_detail, category_id_after,
        CASE WHEN category_id_after IS NOT NULL THEN $5 END, display_name_after, tags_added, excluded_after
    FROM target WHERE changes
), changed AS (
    UPDATE transactions AS row SET
        category_id = coalesce(target.category_id_after, row.category_id),
        category_source = CASE WHEN target.category_id_after IS NULL THEN row.category_source ELSE 'rule' END,
        category_detail = CASE WHEN target.category_id_after IS NULL THEN row.category_detail ELSE $5 END,
        display_name = coalesce(row.display_name, target.display_name_after),
        tags = CASE WHEN target.tags_added IS NULL THEN row.tags
            ELSE coalesce(row.tags, '{}') || target.tags_added END,
        excluded_from_budgets = coalesce(row.excluded_from_budgets, target.excluded_after),
        updated_at = $6
    FROM target
    WHERE row.user_id = $1 AND row.transaction_id = target.transaction_id AND target.changes
)
SELECT count(*)::int AS matched, (count(*) FILTER (WHERE changes))::int AS changed,
    (count(*) FILTER (WHERE manual))::int AS manual,
    coalesce((array_agg(transaction_id ORDER BY posted_on DESC, transaction_id DESC) FILTER (WHERE changes))[:$7], '{}')
        AS transaction_ids,
    coalesce(array_agg(DISTINCT date_trunc('month', posted_on)::date) FILTER (WHERE changes), '{}') AS months
FROM target

-- name: close_application
-- Keeps what an application came to.
UPDATE rule_applications SET matched_count = $3, changed_count = $4, manual_count = $5
WHERE user_id = $1 AND application_id = $2

-- name: drop_application
-- Forgets an application that changed nothing.
DELETE FROM rule_applications WHERE user_id = $1 AND application_id = $2

-- name: applications
-- A person's applications of rules to the past, the latest first.
SELECT application_id, rule_id, rule_name, matched_count, changed_count, manual_count, applied_at, undone_at,
    undone_count
FROM rule_applications WHERE user_id = $1 AND ($2::bigint[] IS NULL OR application_id = ANY ($2))
ORDER BY application_id DESC LIMIT $3

-- name: undo
-- Gives transactions back what they were before an application ($2), as far as it is still as the application left it.
-- One that was succeeded by another is followed to that, $4 steps at most. Returns how many, some ids and the months.
WITH RECURSIVE standing AS (
    SELECT transaction_id AS changed_id, transaction_id AS at_id, 0 AS step FROM rule_changes
    WHERE user_id = $1 AND application_id = $2
    UNION ALL
    SELECT standing.changed_id, row.successor_id, standing.step + 1
    FROM standing JOIN transactions AS row ON row.user_id = $1 AND row.transaction_id = standing.at_id
    WHERE row.successor_id IS NOT NULL AND standing.step < $4
), back AS (
    SELECT DISTINCT ON (row.transaction_id) row.transaction_id, said.*,
        coalesce(row.category_source = 'rule' AND row.category_id = said.category_id_after
            AND row.category_detail = said.category_detail_after, false) AS category_back,
        coalesce(row.display_name = said.display_name, false) AS name_back,
        coalesce(row.tags && said.tags_added, false) AS tags_back,
        coalesce(row.excluded_from_budgets = said.excluded_from_budgets, false) AS budgets_back
    FROM standing
    JOIN transactions AS row ON row.user_id = $1 AND row.transaction_id = standing.at_id
    JOIN LATERAL (
        SELECT category_id_before, category_source_before, category_detail_before, category_id_after,
            category_detail_after, display_name, tags_added, excluded_from_budgets
        FROM rule_changes WHERE user_id = $1 AND application_id = $2 AND transaction_id = standing.changed_id
    ) AS said ON true
    WHERE row.successor_id IS NULL
    ORDER BY row.transaction_id, standing.step
), changed AS (
    UPDATE transactions AS row SET
        category_id = CASE WHEN category_back THEN back.category_id_before ELSE row.category_id END,
        category_source = CASE WHEN category_back THEN back.category_source_before ELSE row.category_source END,
        category_detail = CASE WHEN category_back THEN back.category_detail_before ELSE row.category_detail END,
        display_name = CASE WHEN name_back THEN NULL ELSE row.display_name END,
        tags = CASE WHEN tags_back THEN nullif(array(
            SELECT carried.tag FROM unnest(row.tags) WITH ORDINALITY AS carried (tag, place)
            WHERE carried.tag <> ALL (back.tags_added) ORDER BY carried.place), '{}') ELSE row.tags END,
        excluded_from_budgets = CASE WHEN budgets_back THEN NULL ELSE row.excluded_from_budgets END,
        updated_at = $3
    FROM back
    WHERE row.user_id = $1 AND row.transaction_id = back.transaction_id
      AND (category_back OR name_back OR tags_back OR budgets_back)
    RETURNING row.transaction_id, row.posted_on
)
SELECT count(*)::int AS changed,
    coalesce((array_agg(transaction_id ORDER BY posted_on DESC, transaction_id DESC))[:$5], '{}') AS transaction_ids,
    coalesce(array_agg(DISTINCT date_trunc('month', posted_on)::date), '{}') AS months
FROM changed

-- name: undo_behind
-- Lets what was put over an application that is undone, by later ones or by hand, lead back to what was before it.
WITH undone AS (
    SELECT * FROM rule_changes WHERE user_id = $1 AND application_id = $2 AND category_id_after IS NOT NULL
), later AS (
    UPDATE rule_changes AS other SET category_id_before = undone.category_id_before,
        category_source_before = undone.category_source_before, category_detail_before = undone.category_detail_before
    FROM undone
    WHERE other.user_id = $1 AND other.application_id > $2 AND other.transaction_id = undone.transaction_id
      AND other.category_id_before = undone.category_id_after AND other.category_source_before = 'rule'
      AND other.category_detail_before = undone.category_detail_after
)
UPDATE category_choices AS choice SET before_category_id = undone.category_id_before,
    before_source = undone.category_source_before, before_detail = undone.category_detail_before
FROM undone
WHERE choice.user_id = $1 AND choice.transaction_id = undone.transaction_id
  AND choice.before_category_id = undone.category_id_after AND choice.before_source = 'rule'
  AND choice.before_detail = undone.category_detail_after

-- name: close_undoing
-- Keeps that an application is undone, and how many transactions that changed.
UPDATE rule_applications SET undone_at = $3, undone_count = $4 WHERE user_id = $1 AND application_id = $2
