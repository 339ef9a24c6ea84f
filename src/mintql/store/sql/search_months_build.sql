-- name: count_up_to
-- How many transactions a person has, counted no further than asked.
SELECT count(*)::int AS transactions FROM (
    SELECT FROM transactions WHERE user_id = $1 AND successor_id IS NULL AND removed_at IS NULL LIMIT $2
) AS bounded

-- name: rebuild
-- Writes down what stands in each month of a person, in small letters and with amounts as search writes them, and up to
-- where in the log of changes that is; $2: minor units to the unit of currencies where that is not 100, as JSON.
INSERT INTO search_months (user_id, month, seq, words)
SELECT $1, said.month, counters.change_seq, said.words
FROM user_counters AS counters CROSS JOIN (
    SELECT date_trunc('month', posted_on)::date AS month, string_agg(
        lower(concat_ws(E'\x1e', description, merchant, display_name, note, array_to_string(tags, E'\x1e'),
            array_to_string(part_notes, E'\x1e'))) ||
        translate(format('=%s=', trim_scale(abs(amount_minor)::numeric / coalesce(($2::jsonb ->> currency)::int, 100))),
            '0123456789.', 'ABCDEFGHIJK'), E'\x1d') AS words
    FROM transactions WHERE user_id = $1 AND successor_id IS NULL AND removed_at IS NULL
    GROUP BY 1
) AS said
WHERE counters.user_id = $1
ON CONFLICT (user_id, month) DO UPDATE SET seq = excluded.seq, words = excluded.words
