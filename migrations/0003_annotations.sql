-- Splits count: each part of a transaction in the category of the part, the rest of it in its own category. For
-- every writer, because the triggers that keep `monthly_spending` do it.

-- Only rows that are split call this; all others are told by a NULL and never get here.
CREATE FUNCTION sum_minor(amounts_minor bigint[]) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(sum(amount_minor), 0)::bigint FROM unnest(amounts_minor) AS part (amount_minor)
$$;

CREATE OR REPLACE FUNCTION transactions_add_to_sums() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO monthly_spending AS sums
        (user_id, month, category_id, currency, posted_minor, pending_minor, posted_count, pending_count)
    SELECT user_id, month, category_id, currency,
           coalesce(sum(amount_minor) FILTER (WHERE NOT pending), 0),
           coalesce(sum(amount_minor) FILTER (WHERE pending), 0),
           count(*) FILTER (WHERE NOT pending), count(*) FILTER (WHERE pending)
    FROM (
        SELECT user_id, date_trunc('month', posted_on)::date AS month, category_id, currency, pending,
               CASE WHEN part_category_ids IS NULL THEN amount_minor
                    ELSE amount_minor - sum_minor(part_amounts_minor) END AS amount_minor
        FROM added WHERE successor_id IS NULL AND removed_at IS NULL
        UNION ALL
        SELECT user_id, date_trunc('month', posted_on)::date, part.category_id, currency, pending, part.amount_minor
        FROM added
        CROSS JOIN LATERAL unnest(part_category_ids, part_amounts_minor) AS part (category_id, amount_minor)
        WHERE part_category_ids IS NOT NULL AND successor_id IS NULL AND removed_at IS NULL
    ) AS counted
    GROUP BY 1, 2, 3, 4
    ORDER BY 1, 2, 3, 4
    ON CONFLICT (user_id, month, category_id, currency) DO UPDATE SET
        posted_minor = sums.posted_minor + excluded.posted_minor,
        pending_minor = sums.pending_minor + excluded.pending_minor,
        posted_count = sums.posted_count + excluded.posted_count,
        pending_count = sums.pending_count + excluded.pending_count;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION transactions_change_sums() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO monthly_spending AS sums
        (user_id, month, category_id, currency, posted_minor, pending_minor, posted_count, pending_count)
    SELECT user_id, month, category_id, currency,
           coalesce(sum(sign * amount_minor) FILTER (WHERE NOT pending), 0),
           coalesce(sum(sign * amount_minor) FILTER (WHERE pending), 0),
           coalesce(sum(sign) FILTER (WHERE NOT pending), 0), coalesce(sum(sign) FILTER (WHERE pending), 0)
    FROM (
        SELECT 1 AS sign, user_id, date_trunc('month', posted_on)::date AS month, category_id, currency, pending,
               CASE WHEN part_category_ids IS NULL THEN amount_minor
                    ELSE amount_minor - sum_minor(part_amounts_minor) END AS amount_minor
        FROM added WHERE successor_id IS NULL AND removed_at IS NULL
        UNION ALL
        SELECT 1, user_id, date_trunc('month', posted_on)::date, part.category_id, currency, pending, part.amount_minor
        FROM added
        CROSS JOIN LATERAL unnest(part_category_ids, part_amounts_minor) AS part (category_id, amount_minor)
        WHERE part_category_ids IS NOT NULL AND successor_id IS NULL AND removed_at IS NULL
        UNION ALL
        SELECT -1, user_id, date_trunc('month', posted_on)::date, category_id, currency, pending,
               CASE WHEN part_category_ids IS NULL THEN amount_minor
                    ELSE amount_minor - sum_minor(part_amounts_minor) END
        FROM gone WHERE successor_id IS NULL AND removed_at IS NULL
        UNION ALL
        SELECT -1, user_id, date_trunc('month', posted_on)::date, part.category_id, currency, pending, part.amount_minor
        FROM gone
        CROSS JOIN LATERAL unnest(part_category_ids, part_amounts_minor) AS part (category_id, amount_minor)
        WHERE part_category_ids IS NOT NULL AND successor_id IS NULL AND removed_at IS NULL
    ) AS deltas
    GROUP BY 1, 2, 3, 4
    HAVING coalesce(sum(sign * amount_minor) FILTER (WHERE NOT pending), 0) <> 0
        OR coalesce(sum(sign * amount_minor) FILTER (WHERE pending), 0) <> 0
        OR coalesce(sum(sign) FILTER (WHERE NOT pending), 0) <> 0
        OR coalesce(sum(sign) FILTER (WHERE pending), 0) <> 0
    ORDER BY 1, 2, 3, 4
    ON CONFLICT (user_id, month, category_id, currency) DO UPDATE SET
        posted_minor = sums.posted_minor + excluded.posted_minor,
        pending_minor = sums.pending_minor + excluded.pending_minor,
        posted_count = sums.posted_count + excluded.posted_count,
        pending_count = sums.pending_count + excluded.pending_count;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION transactions_take_from_sums() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE monthly_spending AS sums SET
        posted_minor = sums.posted_minor - deltas.posted_minor,
        pending_minor = sums.pending_minor - deltas.pending_minor,
        posted_count = sums.posted_count - deltas.posted_count,
        pending_count = sums.pending_count - deltas.pending_count
    FROM (
        SELECT user_id, month, category_id, currency,
               coalesce(sum(amount_minor) FILTER (WHERE NOT pending), 0) AS posted_minor,
               coalesce(sum(amount_minor) FILTER (WHERE pending), 0) AS pending_minor,
               count(*) FILTER (WHERE NOT pending) AS posted_count,
               count(*) FILTER (WHERE pending) AS pending_count
        FROM (
            SELECT user_id, date_trunc('month', posted_on)::date AS month, category_id, currency, pending,
                   CASE WHEN part_category_ids IS NULL THEN amount_minor
                        ELSE amount_minor - sum_minor(part_amounts_minor) END AS amount_minor
            FROM gone WHERE successor_id IS NULL AND removed_at IS NULL
            UNION ALL
            SELECT user_id, date_trunc('month', posted_on)::date, part.category_id, currency, pending,
                   part.amount_minor
            FROM gone
            CROSS JOIN LATERAL unnest(part_category_ids, part_amounts_minor) AS part (category_id, amount_minor)
            WHERE part_category_ids IS NOT NULL AND successor_id IS NULL AND removed_at IS NULL
        ) AS counted
        GROUP BY 1, 2, 3, 4
    ) AS deltas
    WHERE sums.user_id = deltas.user_id AND sums.month = deltas.month
      AND sums.category_id = deltas.category_id AND sums.currency = deltas.currency;
    RETURN NULL;
END $$;

-- Pages by category meet split rows through this one, pages by tag and the list of tags theirs through the other;
-- both hold only what a person touched.
CREATE INDEX transactions_split_idx ON transactions (user_id, posted_on, transaction_id)
    WHERE part_category_ids IS NOT NULL AND successor_id IS NULL AND removed_at IS NULL;
CREATE INDEX transactions_tagged_idx ON transactions (user_id, posted_on, transaction_id)
    WHERE tags IS NOT NULL AND successor_id IS NULL AND removed_at IS NULL;
