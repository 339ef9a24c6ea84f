-- name: sums_between
-- Signed monthly sums of a person from one month to another, both included; emptied ones are left out.
SELECT month, category_id, currency, posted_minor, pending_minor, posted_count, pending_count, excluded_posted_minor,
    excluded_pending_minor
FROM monthly_spending
WHERE user_id = $1 AND month BETWEEN $2 AND $3 AND posted_count + pending_count > 0
ORDER BY month, category_id, currency
