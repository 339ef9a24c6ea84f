-- name: history
-- A person's transactions of $2 to $3, by seller, currency and direction, as arrays by day; $4: categories left out.
-- Sellers with the fewest are read whole, up to $8 rows in all, and those of $9 besides; of others, and of those with
-- more than $5, only amounts that came three to $5 times, in three months or more, unless the seller is one of $6; at
-- most $7 sellers. Of the sellers $10 alone, found by their index, where that is given.
WITH counted AS (
    SELECT merchant_key, currency, amount_minor < 0 AS outgoing, abs(amount_minor) AS amount_minor, posted_on,
        transaction_id, account_id, category_id, pending
    FROM transactions
    WHERE $10::text[] IS NULL
      AND user_id = $1 AND posted_on BETWEEN $2 AND $3 AND successor_id IS NULL AND removed_at IS NULL
      AND amount_minor <> 0 AND merchant_key <> '' AND category_id <> ALL ($4::int[])
    UNION ALL
    SELECT merchant_key, currency, amount_minor < 0, abs(amount_minor), posted_on, transaction_id, account_id,
        category_id, pending
    FROM unnest($10) AS asked (key) CROSS JOIN LATERAL (
        SELECT * FROM transactions
        WHERE user_id = $1 AND merchant_key = asked.key AND successor_id IS NULL AND removed_at IS NULL OFFSET 0
    ) AS of_seller
    WHERE posted_on BETWEEN $2 AND $3 AND amount_minor <> 0 AND merchant_key <> '' AND category_id <> ALL ($4::int[])
), sized AS (
    SELECT *, count(*) OVER (PARTITION BY merchant_key, currency, outgoing)::int AS seller_rows FROM counted
), sifted AS MATERIALIZED (
    -- Rows of this seller and of all with fewer, counted by windows: joins of so many rows that are not known beforehand
    -- would be loops within loops.
    SELECT *, seller_rows <= $5::int
            AND (count(*) OVER (ORDER BY seller_rows, merchant_key, currency, outgoing) <= $8::int
                OR merchant_key = ANY ($9::text[]))
        OR merchant_key = ANY ($6::text[]) AS is_whole
    FROM sized WHERE seller_rows > 1 OR merchant_key = ANY ($6::text[])
), repeated AS (
    -- Months are counted as bits, which takes no sort of its own; there are fewer than 63 of them.
    SELECT *, count(*) OVER same_amount AS amount_rows,
        bit_count((bit_or(1::bigint << (month % 63)) OVER same_amount)::bit(64)) AS months
    FROM (
        SELECT *, extract(year FROM posted_on)::int * 12 + extract(month FROM posted_on)::int AS month
        FROM sifted WHERE NOT is_whole
    ) AS row
    WINDOW same_amount AS (PARTITION BY merchant_key, currency, outgoing, amount_minor)
), looked_at AS (
    SELECT merchant_key, currency, outgoing, amount_minor, posted_on, transaction_id, account_id, category_id, pending,
        seller_rows
    FROM sifted WHERE is_whole
    UNION ALL
    SELECT merchant_key, currency, outgoing, amount_minor, posted_on, transaction_id, account_id, category_id, pending,
        seller_rows
    FROM repeated WHERE amount_rows BETWEEN 3 AND $5::int AND months >= 3
)
SELECT merchant_key, currency, outgoing, max(seller_rows) AS seller_rows,
    array_agg(transaction_id ORDER BY posted_on, transaction_id) AS transaction_ids,
    array_agg(posted_on ORDER BY posted_on, transaction_id) AS days,
    array_agg(amount_minor ORDER BY posted_on, transaction_id) AS amounts_minor,
    array_agg(account_id ORDER BY posted_on, transaction_id) AS account_ids,
    array_agg(category_id ORDER BY posted_on, transaction_id) AS category_ids,
    array_agg(pending ORDER BY posted_on, transaction_id) AS pending
FROM looked_at
GROUP BY merchant_key, currency, outgoing
ORDER BY count(*), merchant_key
LIMIT $7

-- name: history_of
-- A person's transactions of $2 to $3 with the sellers $6, by their index, as `history` has them, but of each seller no more
-- than so many ($5), whichever; $4: categories left out.
SELECT asked.key AS merchant_key, of_seller.* FROM unnest($5::int[], $6::text[]) AS asked (most, key) CROSS JOIN LATERAL (
    SELECT currency, outgoing,
        array_agg(transaction_id ORDER BY posted_on, transaction_id) AS transaction_ids,
        array_agg(posted_on ORDER BY posted_on, transaction_id) AS days,
        array_agg(amount_minor ORDER BY posted_on, transaction_id) AS amounts_minor,
        array_agg(account_id ORDER BY posted_on, transaction_id) AS account_ids,
        array_agg(category_id ORDER BY posted_on, transaction_id) AS category_ids,
        array_agg(pending ORDER BY posted_on, transaction_id) AS pending
    FROM (
        SELECT currency, amount_minor < 0 AS outgoing, abs(amount_minor) AS amount_minor, posted_on, transaction_id,
            account_id, category_id, pending
        FROM transactions
        WHERE user_id = $1 AND merchant_key = asked.key AND successor_id IS NULL AND removed_at IS NULL
          AND posted_on BETWEEN $2 AND $3 AND amount_minor <> 0 AND merchant_key <> ''
          AND category_id <> ALL ($4::int[])
        LIMIT asked.most
    ) AS read
    GROUP BY currency, outgoing
) AS of_seller

-- name: accounts_known
-- Until when each account of a person is known; null where nothing more comes, because it was disconnected.
SELECT account.account_id, CASE WHEN connection.status <> 'disconnected' THEN connection.last_success_at END AS known_at
FROM accounts AS account JOIN connections AS connection USING (user_id, connection_id)
WHERE account.user_id = $1

-- name: stored
-- All series of a person as they were last written.
SELECT recurring_id, merchant_key, currency, outgoing, state, transaction_ids, frequency, anchor_on, anchor_day,
    second_day, step_days, weekend, first_on, last_on, next_on, ended, amounts_kind, mean_minor, last_minor,
    expected_minor, spread_minor, occurrences, missed, off_tenths, confidence, said_frequency, said_amount_minor,
    said_subscription, created_at
FROM recurring_series WHERE user_id = $1 ORDER BY recurring_id

-- name: there
-- Which of these transactions of a person still count, with their accounts, days and sellers.
SELECT row.* FROM unnest($2::bigint[]) AS asked (id) CROSS JOIN LATERAL (
    SELECT transaction_id, account_id, posted_on, merchant_key FROM transactions
    WHERE user_id = $1 AND transaction_id = asked.id AND successor_id IS NULL AND removed_at IS NULL OFFSET 0
) AS row

-- name: insert
-- Adds a series and gives its id.
INSERT INTO recurring_series (user_id, merchant_key, currency, outgoing, state, transaction_ids, frequency, anchor_on,
    anchor_day, second_day, step_days, weekend, first_on, last_on, next_on, ended, amounts_kind, mean_minor,
    last_minor, expected_minor, spread_minor, occurrences, missed, off_tenths, confidence, said_frequency,
    said_amount_minor, said_subscription, decided_at, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
    $25, $26, $27, $28, CASE WHEN $5 <> 'suggested' THEN $29::timestamptz END, $29::timestamptz, $29::timestamptz)
RETURNING recurring_id

-- name: update
-- Writes a series anew; when it was decided stays unless its state changes.
UPDATE recurring_series SET merchant_key = $3, currency = $4, outgoing = $5, state = $6, transaction_ids = $7,
    frequency = $8, anchor_on = $9, anchor_day = $10, second_day = $11, step_days = $12, weekend = $13, first_on = $14,
    last_on = $15, next_on = $16, ended = $17, amounts_kind = $18, mean_minor = $19, last_minor = $20,
    expected_minor = $21, spread_minor = $22, occurrences = $23, missed = $24, off_tenths = $25, confidence = $26,
    said_frequency = $27, said_amount_minor = $28, said_subscription = $29,
    decided_at = CASE WHEN $6 = 'suggested' THEN NULL WHEN state = $6 THEN decided_at ELSE $30::timestamptz END,
    updated_at = $30::timestamptz
WHERE user_id = $1 AND recurring_id = $2

-- name: remove
-- Removes series of a person.
DELETE FROM recurring_series WHERE user_id = $1 AND recurring_id = ANY ($2::bigint[])

-- name: note_look
-- Notes that a person's transactions were looked at up to $3 of the log of changes, $4 all of them; returns whether that
-- was done before.
WITH before AS (SELECT 1 FROM recurring_looks WHERE user_id = $1), noted AS (
    INSERT INTO recurring_looks AS looks (user_id, first_at, looked_seq, whole_at)
    VALUES ($1, $2::timestamptz, $3, CASE WHEN $4::boolean THEN $2::timestamptz END)
    ON CONFLICT (user_id) DO UPDATE
        SET looked_seq = excluded.looked_seq, whole_at = coalesce(excluded.whole_at, looks.whole_at)
)
SELECT EXISTS (SELECT FROM before) AS looked_before

-- name: note_income
-- Writes the income that a person's paychecks come to, and its words, where they are others than before.
UPDATE recurring_looks SET annual_income_minor = $2, currency = $3, income_basis = $4
WHERE user_id = $1 AND (annual_income_minor, currency, income_basis) IS DISTINCT FROM ($2, $3, $4)

-- name: income
-- The income that a person's paychecks come to in a year, and its words.
SELECT annual_income_minor, currency, income_basis FROM recurring_looks
WHERE user_id = $1 AND annual_income_minor IS NOT NULL

-- name: arrived
-- When the first and the last of these transactions were first seen.
SELECT min(created_at) AS first_at, max(created_at) AS last_at FROM transactions
WHERE user_id = $1 AND transaction_id = ANY ($2::bigint[])

-- name: of_seller
-- A person's transactions with one seller in one currency and direction since a day, as arrays by day, newest $6 at most.
SELECT array_agg(transaction_id ORDER BY posted_on, transaction_id) AS transaction_ids,
    array_agg(posted_on ORDER BY posted_on, transaction_id) AS days,
    array_agg(amount_minor ORDER BY posted_on, transaction_id) AS amounts_minor,
    array_agg(account_id ORDER BY posted_on, transaction_id) AS account_ids,
    array_agg(category_id ORDER BY posted_on, transaction_id) AS category_ids,
    array_agg(pending ORDER BY posted_on, transaction_id) AS pending
FROM (
    SELECT transaction_id, posted_on, abs(amount_minor) AS amount_minor, account_id, category_id, pending
    FROM transactions
    WHERE user_id = $1 AND merchant_key = $2 AND currency = $3 AND (amount_minor < 0) = $4::boolean
      AND posted_on >= $5 AND successor_id IS NULL AND removed_at IS NULL AND amount_minor <> 0
    ORDER BY posted_on DESC, transaction_id DESC LIMIT $6
) AS newest
HAVING count(*) > 0

-- name: last_look
-- Up to where in the log of changes a person's transactions were looked at, and when all of them were.
SELECT looked_seq, whole_at FROM recurring_looks WHERE user_id = $1
