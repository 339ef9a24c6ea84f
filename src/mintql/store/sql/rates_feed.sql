-- name: save
-- Writes published rates; what is there already and says the same is left as it is. Returns how many were written.
WITH written AS (
    INSERT INTO exchange_rates AS kept (currency, on_date, per_euro, source)
    SELECT currency, on_date, per_euro, $4
    FROM unnest($1::text[], $2::date[], $3::numeric[]) AS told (currency, on_date, per_euro)
    ORDER BY currency, on_date
    ON CONFLICT (currency, on_date) DO UPDATE SET
        per_euro = excluded.per_euro, source = excluded.source, updated_at = now()
    WHERE kept.per_euro <> excluded.per_euro
    RETURNING 1
)
SELECT count(*)::int AS rates FROM written
