-- name: runs_due
-- How many sync runs are due, counted up to a bound, and the oldest of them: those asked for, and those of the day.
SELECT 'own' AS lane, count(*)::int AS due, min(next_attempt_at) AS oldest FROM (
    SELECT next_attempt_at FROM sync_runs
    WHERE state NOT IN ('succeeded', 'failed') AND NOT background AND next_attempt_at <= $1
    ORDER BY next_attempt_at LIMIT $2
) AS own
UNION ALL
SELECT 'daily', count(*)::int, min(next_attempt_at) FROM (
    SELECT next_attempt_at FROM sync_runs
    WHERE state NOT IN ('succeeded', 'failed') AND background AND next_attempt_at <= $1
    ORDER BY next_attempt_at LIMIT $2
) AS daily

-- name: outbox
-- For each of these channels: deliveries that are due, the oldest of them, and those given up, counted up to a bound.
SELECT wanted.channel, waiting.due, waiting.oldest, lost.dead
FROM unnest($1::text[]) AS wanted (channel)
CROSS JOIN LATERAL (
    SELECT count(*)::int AS due, min(next_attempt_at) AS oldest FROM (
        SELECT next_attempt_at FROM outbox
        WHERE outbox.channel = wanted.channel AND state = 'due' AND next_attempt_at <= $2
        ORDER BY next_attempt_at LIMIT $3
    ) AS those
) AS waiting
CROSS JOIN LATERAL (
    SELECT count(*)::int AS dead FROM (
        SELECT FROM outbox WHERE outbox.channel = wanted.channel AND state = 'dead' LIMIT $3
    ) AS those
) AS lost

-- name: endpoints_due
-- How many webhook endpoints something is due at, counted up to a bound.
SELECT count(*)::int AS due FROM (
    SELECT FROM webhook_endpoints WHERE due_at <= $1 LIMIT $2
) AS those

-- name: reconciled
-- Sums that were found wrong since a moment, counted up to a bound; how far the comparison has come.
SELECT findings, night_ended_at, round_ended_at
FROM (
    SELECT count(*)::int AS findings FROM (SELECT FROM reconcile_findings WHERE found_at >= $1 LIMIT $2) AS those
) AS found LEFT JOIN reconcile_progress ON true
