-- name: balances
-- What each account of a person held at the end of days (place from 1): the latest balance told up to then.
SELECT day.place::int AS place, account.account_id, known.balance_minor, known.currency, known.on_date
FROM accounts AS account
CROSS JOIN unnest($2::date[]) WITH ORDINALITY AS day (on_date, place)
CROSS JOIN LATERAL (
    SELECT kept.balance_minor, kept.currency, kept.on_date FROM account_balances AS kept
    WHERE kept.user_id = $1 AND kept.account_id = account.account_id AND kept.on_date <= day.on_date
    ORDER BY kept.on_date DESC LIMIT 1
) AS known
WHERE account.user_id = $1
ORDER BY account.account_id, day.place

-- name: accounts
-- A person's accounts with the first balance known of each, when transactions begin, and when it was no longer told of.
SELECT account.account_id, account.kind, first.on_date AS known_on, first.balance_minor, first.currency,
    least(begun.posted_on, (
        SELECT min(month) FROM archived_months
        WHERE user_id = $1 AND state = 'archived' AND account.account_id = ANY (account_ids)
    )) AS begun_on,
    (least(account.missing_since, link.disconnected_at) AT TIME ZONE person.time_zone)::date AS ended_on
FROM accounts AS account
JOIN users AS person ON person.user_id = account.user_id
JOIN connections AS link ON link.user_id = account.user_id AND link.connection_id = account.connection_id
CROSS JOIN LATERAL (
    SELECT kept.on_date, kept.balance_minor, kept.currency FROM account_balances AS kept
    WHERE kept.user_id = $1 AND kept.account_id = account.account_id
    ORDER BY kept.on_date LIMIT 1
) AS first
LEFT JOIN LATERAL (
    SELECT one.posted_on FROM transactions AS one
    WHERE one.user_id = $1 AND one.account_id = account.account_id AND one.successor_id IS NULL
        AND one.removed_at IS NULL
    ORDER BY one.posted_on LIMIT 1
) AS begun ON true
WHERE account.user_id = $1
ORDER BY account.account_id

-- name: booked_after
-- What was booked on accounts after each of some ascending days (place of the latest one before it) and up to the day
-- from which on the balance is known ($3, $4), in the balance's currency ($5).
SELECT account.account_id, width_bucket(one.posted_on - 1, $2::date[]) AS place, sum(one.amount_minor)::bigint AS amount_minor
FROM unnest($3::bigint[], $4::date[], $5::text[]) AS account (account_id, known_on, currency)
CROSS JOIN LATERAL (
    SELECT row.posted_on, row.amount_minor FROM transactions AS row
    WHERE row.user_id = $1 AND row.account_id = account.account_id AND row.posted_on > ($2::date[])[1]
        AND row.posted_on <= account.known_on AND row.successor_id IS NULL AND row.removed_at IS NULL
        AND NOT row.pending AND row.currency = account.currency
    OFFSET 0
) AS one
GROUP BY 1, 2
ORDER BY 1, 2
