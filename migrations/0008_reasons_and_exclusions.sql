-- Why a transaction is in its category, and what else a person or their rules can set on it.

-- What a person said of a seller is remembered; rules are what they wrote down with conditions of their own.
ALTER TABLE merchant_rules RENAME TO seller_memories;
ALTER TABLE seller_memories RENAME CONSTRAINT merchant_rules_pkey TO seller_memories_pkey;
ALTER TABLE seller_memories RENAME CONSTRAINT merchant_rules_user_id_fkey TO seller_memories_user_id_fkey;

ALTER TABLE transactions
    -- The name to show instead of the seller's, by the person or a rule of theirs; NULL where there is none.
    ADD COLUMN display_name text CHECK (length(display_name) BETWEEN 1 AND 100),
    -- Whether budgets leave it out, by the person or a rule of theirs; NULL where nobody said so.
    ADD COLUMN excluded_from_budgets boolean,
    -- What the institution said of the kind of seller: "mcc:5812", "pfc:TRAVEL_FLIGHTS", or both with a space.
    ADD COLUMN institution_code text NOT NULL DEFAULT '' CHECK (length(institution_code) <= 130),
    DROP CONSTRAINT transactions_category_source_check,
    ADD CONSTRAINT transactions_category_source_check CHECK (category_source IN
        ('manual', 'rule', 'memory', 'transfer', 'crowd', 'institution', 'dictionary', 'keyword', 'none'));
UPDATE transactions SET category_source = 'memory' WHERE category_source = 'rule';

-- What of the sums budgets leave out. The other columns hold it as well.
ALTER TABLE monthly_spending
    ADD COLUMN excluded_posted_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN excluded_pending_minor bigint NOT NULL DEFAULT 0;

CREATE OR REPLACE FUNCTION transactions_add_to_sums() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO monthly_spending AS sums
    (user_id, month, category_id, currency, posted_minor, pending_minor, posted_count, pending_count,
     excluded_posted_minor, excluded_pending_minor)
    SELECT user_id, month, category_id, currency,
           coalesce(sum(amount_minor) FILTER (WHERE NOT pending), 0),
           coalesce(sum(amount_minor) FILTER (WHERE pending), 0),
           count(*) FILTER (WHERE NOT pending), count(*) FILTER (WHERE pending),
           coalesce(sum(amount_minor) FILTER (WHERE left_out AND NOT pending), 0),
           coalesce(sum(amount_minor) FILTER (WHERE left_out AND pending), 0)
    FROM (
        SELECT user_id, date_trunc('month', posted_on)::date AS month, category_id, currency, pending,
               coalesce(excluded_from_budgets, false) AS left_out,
               CASE WHEN part_category_ids IS NULL THEN amount_minor
                    ELSE amount_minor - sum_minor(part_amounts_minor) END AS amount_minor
        FROM added WHERE successor_id IS NULL AND removed_at IS NULL
        UNION ALL
        SELECT user_id, date_trunc('month', posted_on)::date, part.category_id, currency, pending,
               coalesce(excluded_from_budgets, false), part.amount_minor
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
        pending_count = sums.pending_count + excluded.pending_count,
        excluded_posted_minor = sums.excluded_posted_minor + excluded.excluded_posted_minor,
        excluded_pending_minor = sums.excluded_pending_minor + excluded.excluded_pending_minor;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION transactions_change_sums() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO monthly_spending AS sums
    (user_id, month, category_id, currency, posted_minor, pending_minor, posted_count, pending_count,
     excluded_posted_minor, excluded_pending_minor)
    SELECT user_id, month, category_id, currency,
           coalesce(sum(sign * amount_minor) FILTER (WHERE NOT pending), 0),
           coalesce(sum(sign * amount_minor) FILTER (WHERE pending), 0),
           coalesce(sum(sign) FILTER (WHERE NOT pending), 0), coalesce(sum(sign) FILTER (WHERE pending), 0),
           coalesce(sum(sign * amount_minor) FILTER (WHERE left_out AND NOT pending), 0),
           coalesce(sum(sign * amount_minor) FILTER (WHERE left_out AND pending), 0)
    FROM (
        SELECT 1 AS sign, user_id, date_trunc('month', posted_on)::date AS month, category_id, currency, pending,
               coalesce(excluded_from_budgets, false) AS left_out,
               CASE WHEN part_category_ids IS NULL THEN amount_minor
                    ELSE amount_minor - sum_minor(part_amounts_minor) END AS amount_minor
        FROM added WHERE successor_id IS NULL AND removed_at IS NULL
        UNION ALL
        SELECT 1 AS sign, user_id, date_trunc('month', posted_on)::date, part.category_id, currency, pending,
               coalesce(excluded_from_budgets, false), part.amount_minor
        FROM added
        CROSS JOIN LATERAL unnest(part_category_ids, part_amounts_minor) AS part (category_id, amount_minor)
        WHERE part_category_ids IS NOT NULL AND successor_id IS NULL AND removed_at IS NULL
        UNION ALL
        SELECT -1 AS sign, user_id, date_trunc('month', posted_on)::date AS month, category_id, currency, pending,
               coalesce(excluded_from_budgets, false) AS left_out,
               CASE WHEN part_category_ids IS NULL THEN amount_minor
                    ELSE amount_minor - sum_minor(part_amounts_minor) END AS amount_minor
        FROM gone WHERE successor_id IS NULL AND removed_at IS NULL
        UNION ALL
        SELECT -1 AS sign, user_id, date_trunc('month', posted_on)::date, part.category_id, currency, pending,
               coalesce(excluded_from_budgets, false), part.amount_minor
        FROM gone
        CROSS JOIN LATERAL unnest(part_category_ids, part_amounts_minor) AS part (category_id, amount_minor)
        WHERE part_category_ids IS NOT NULL AND successor_id IS NULL AND removed_at IS NULL
    ) AS deltas
    GROUP BY 1, 2, 3, 4
    HAVING coalesce(sum(sign * amount_minor) FILTER (WHERE NOT pending), 0) <> 0
        OR coalesce(sum(sign * amount_minor) FILTER (WHERE pending), 0) <> 0
        OR coalesce(sum(sign) FILTER (WHERE NOT pending), 0) <> 0
        OR coalesce(sum(sign) FILTER (WHERE pending), 0) <> 0
        OR coalesce(sum(sign * amount_minor) FILTER (WHERE left_out AND NOT pending), 0) <> 0
        OR coalesce(sum(sign * amount_minor) FILTER (WHERE left_out AND pending), 0) <> 0
    ORDER BY 1, 2, 3, 4
    ON CONFLICT (user_id, month, category_id, currency) DO UPDATE SET
        posted_minor = sums.posted_minor + excluded.posted_minor,
        pending_minor = sums.pending_minor + excluded.pending_minor,
        posted_count = sums.posted_count + excluded.posted_count,
        pending_count = sums.pending_count + excluded.pending_count,
        excluded_posted_minor = sums.excluded_posted_minor + excluded.excluded_posted_minor,
        excluded_pending_minor = sums.excluded_pending_minor + excluded.excluded_pending_minor;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION transactions_take_from_sums() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE monthly_spending AS sums SET
        posted_minor = sums.posted_minor - deltas.posted_minor,
        pending_minor = sums.pending_minor - deltas.pending_minor,
        posted_count = sums.posted_count - deltas.posted_count,
        pending_count = sums.pending_count - deltas.pending_count,
        excluded_posted_minor = sums.excluded_posted_minor - deltas.excluded_posted_minor,
        excluded_pending_minor = sums.excluded_pending_minor - deltas.excluded_pending_minor
    FROM (
        SELECT user_id, month, category_id, currency,
               coalesce(sum(amount_minor) FILTER (WHERE NOT pending), 0) AS posted_minor,
               coalesce(sum(amount_minor) FILTER (WHERE pending), 0) AS pending_minor,
               count(*) FILTER (WHERE NOT pending) AS posted_count,
               count(*) FILTER (WHERE pending) AS pending_count,
               coalesce(sum(amount_minor) FILTER (WHERE left_out AND NOT pending), 0) AS excluded_posted_minor,
               coalesce(sum(amount_minor) FILTER (WHERE left_out AND pending), 0) AS excluded_pending_minor
        FROM (
            SELECT user_id, date_trunc('month', posted_on)::date AS month, category_id, currency, pending,
                   coalesce(excluded_from_budgets, false) AS left_out,
                   CASE WHEN part_category_ids IS NULL THEN amount_minor
                        ELSE amount_minor - sum_minor(part_amounts_minor) END AS amount_minor
            FROM gone WHERE successor_id IS NULL AND removed_at IS NULL
            UNION ALL
            SELECT user_id, date_trunc('month', posted_on)::date, part.category_id, currency, pending,
                   coalesce(excluded_from_budgets, false), part.amount_minor
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
