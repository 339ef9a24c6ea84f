-- name: charges
-- Money out of one person's accounts on these days, without some categories: as it shows now, with the id it had first
-- and whether it is news: brought by another run than its connection's first one, and not with its account. Of the
-- sellers $6 alone where they are given.
WITH RECURSIVE first_runs AS (
    SELECT connection_id, min(run_id) AS run_id FROM sync_runs
    WHERE user_id = $1 AND state = 'succeeded' AND NOT balances_only AND import_id IS NULL GROUP BY connection_id
), later AS (
    SELECT run.connection_id, min(run.created_at) AS since
    FROM sync_runs AS run JOIN first_runs USING (connection_id)
    WHERE run.user_id = $1 AND run.run_id > first_runs.run_id GROUP BY run.connection_id
), charges AS (
    SELECT transaction_id, account_id, category_id, coalesce(display_name, merchant) AS merchant, merchant_key,
        -amount_minor AS amount_minor, currency, posted_on, pending, created_at
    FROM transactions
    WHERE $6::text[] IS NULL
      AND user_id = $1 AND posted_on BETWEEN $2 AND $3 AND amount_minor < 0 AND category_id <> ALL ($4::int[])
      AND successor_id IS NULL AND removed_at IS NULL AND import_id IS NULL
    UNION ALL
    SELECT of_seller.* FROM unnest($6) AS asked (key) CROSS JOIN LATERAL (
        SELECT transaction_id, account_id, category_id, coalesce(display_name, merchant) AS merchant, merchant_key,
            -amount_minor AS amount_minor, currency, posted_on, pending, created_at
        FROM transactions
        WHERE user_id = $1 AND merchant_key = asked.key AND posted_on BETWEEN $2 AND $3 AND amount_minor < 0
          AND category_id <> ALL ($4::int[]) AND successor_id IS NULL AND removed_at IS NULL AND import_id IS NULL
        OFFSET 0
    ) AS of_seller
), lines AS (
    SELECT transaction_id, transaction_id AS earlier_id FROM charges
    UNION
    SELECT lines.transaction_id, matches.from_id FROM lines
    JOIN transaction_matches AS matches ON matches.user_id = $1 AND matches.to_id = lines.earlier_id
        AND matches.state = 'applied'
), roots AS (
    SELECT lines.transaction_id, min(earlier_id) AS root_id, min(earlier.created_at) AS created_at
    FROM lines JOIN transactions AS earlier ON earlier.user_id = $1 AND earlier.transaction_id = earlier_id
    GROUP BY lines.transaction_id
)
SELECT transaction_id, root_id, charges.account_id, category_id, charges.merchant, merchant_key,
    charges.amount_minor, charges.currency, posted_on, pending,
    coalesce(roots.created_at > later.since AND roots.created_at > account.created_at, false) AS is_news
FROM charges
JOIN roots USING (transaction_id)
JOIN accounts AS account ON account.user_id = $1 AND account.account_id = charges.account_id
LEFT JOIN later USING (connection_id)
ORDER BY posted_on, transaction_id
LIMIT $5

-- name: spreads
-- How one person's newest charges on these days were, $5 of them at most, for each currency, without some categories.
SELECT currency, count(*)::int AS count,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY -amount_minor) AS p95_minor,
    percentile_disc(0.99) WITHIN GROUP (ORDER BY -amount_minor) AS p99_minor
FROM (
    SELECT currency, amount_minor FROM transactions
    WHERE user_id = $1 AND posted_on BETWEEN $2 AND $3 AND amount_minor < 0 AND category_id <> ALL ($4::int[])
      AND successor_id IS NULL AND removed_at IS NULL
    ORDER BY posted_on DESC, transaction_id DESC LIMIT $5
) AS newest
GROUP BY currency

-- name: earlier
-- The latest charges of these sellers to one person from a day on, a bounded number of each.
SELECT merchant_key, currency, transaction_id, posted_on, amount_minor FROM (
    SELECT merchant_key, currency, transaction_id, posted_on, -amount_minor AS amount_minor,
        row_number() OVER (PARTITION BY merchant_key, currency ORDER BY posted_on DESC, transaction_id DESC) AS place
    FROM unnest($2::text[], $3::text[]) AS asked (key, coin) CROSS JOIN LATERAL (
        SELECT merchant_key, currency, transaction_id, posted_on, amount_minor FROM transactions
        WHERE user_id = $1 AND merchant_key = asked.key AND currency = asked.coin AND posted_on >= $4
          AND amount_minor < 0 AND successor_id IS NULL AND removed_at IS NULL
        ORDER BY posted_on DESC, transaction_id DESC LIMIT $5
    ) AS of_seller
) AS charge
WHERE place <= $5

-- name: told_subjects
-- Of these subjects, those that one person was told of already, whatever kind it was.
SELECT DISTINCT subject FROM notifications WHERE user_id = $1 AND kind = ANY ($2::text[]) AND subject = ANY ($3::text[])
