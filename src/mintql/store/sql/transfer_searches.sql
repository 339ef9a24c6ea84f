-- name: unsearched
-- Persons after one with two accounts or more whose history was never looked through for transfers, in order.
SELECT account.user_id FROM accounts AS account
WHERE account.user_id > $1
  AND NOT EXISTS (SELECT FROM transfer_searches AS search WHERE search.user_id = account.user_id OFFSET 0)
GROUP BY account.user_id HAVING count(*) > 1
ORDER BY account.user_id LIMIT $2

-- name: note_search
-- Notes that a person's history was looked through.
INSERT INTO transfer_searches (user_id, searched_at) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET searched_at = excluded.searched_at

-- name: all_ids
-- Transactions of a person that count.
SELECT transaction_id FROM transactions WHERE user_id = $1 AND successor_id IS NULL AND removed_at IS NULL
