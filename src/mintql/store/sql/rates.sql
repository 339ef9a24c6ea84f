-- name: between
-- Published rates of some currencies over days, exact, as text.
SELECT currency, on_date, per_euro::text AS per_euro FROM exchange_rates
WHERE currency = ANY ($1::text[]) AND on_date BETWEEN $2 AND $3

-- name: manual
-- A person's own rates, exact, as text: newest first within a pair.
SELECT currency, quote, on_date, rate::text AS rate FROM manual_rates
WHERE user_id = $1
ORDER BY currency, quote, on_date DESC

-- name: set_manual
-- Writes a person's own rate, unless they have $6 of others; returns whether it was written.
INSERT INTO manual_rates (user_id, currency, quote, on_date, rate)
SELECT $1, $2, $3, $4, $5
WHERE (
    SELECT count(*) FROM manual_rates
    WHERE user_id = $1 AND (currency, quote, on_date) <> ($2, $3, $4)
) < $6::int
ON CONFLICT (user_id, currency, quote, on_date) DO UPDATE SET rate = excluded.rate, updated_at = now()
RETURNING true AS written

-- name: remove_manual
-- Removes a person's own rate of a day; returns whether there was one.
DELETE FROM manual_rates WHERE user_id = $1 AND currency = $2 AND quote = $3 AND on_date = $4
RETURNING true AS removed
