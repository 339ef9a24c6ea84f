-- name: newcomers
-- Of these connections, those without accounts whose person has ended one with accounts at the same institution.
SELECT link.user_id, link.connection_id FROM connections AS link
JOIN unnest($1::bigint[], $2::bigint[]) AS asked (user_id, connection_id)
    ON asked.user_id = link.user_id AND asked.connection_id = link.connection_id
WHERE link.status <> 'disconnected'
  AND NOT EXISTS (
      SELECT FROM accounts AS own WHERE own.user_id = link.user_id AND own.connection_id = link.connection_id
  )
  AND EXISTS (
      SELECT FROM connections AS ended
      JOIN accounts AS kept ON kept.user_id = ended.user_id AND kept.connection_id = ended.connection_id
      WHERE ended.user_id = link.user_id AND ended.institution_id = link.institution_id
        AND ended.status = 'disconnected'
  )
ORDER BY link.user_id, link.connection_id

-- name: lock
-- A connection, and the ended ones of its person at its institution, locked in order.
SELECT link.connection_id, link.status, link.disconnected_at FROM connections AS link
JOIN connections AS new ON new.user_id = link.user_id AND new.institution_id = link.institution_id
WHERE new.user_id = $1 AND new.connection_id = $2 AND (link.connection_id = $2 OR link.status = 'disconnected')
ORDER BY link.connection_id
FOR NO KEY UPDATE OF link

-- name: accounts
-- The accounts of some of a person's connections, as their institutions described them last.
SELECT connection_id, external_id, name, kind, currency, mask FROM accounts
WHERE user_id = $1 AND connection_id = ANY ($2::bigint[])
ORDER BY account_id

-- name: move_accounts
-- Lets the accounts of an ended connection be another one's, with all their transactions.
UPDATE accounts SET connection_id = $2 WHERE user_id = $1 AND connection_id = $3

-- name: move_runs
-- Lets the runs of an ended connection, with their raw pages, be another one's, which has one daily run a day at most.
UPDATE sync_runs AS run SET connection_id = $2, reason = CASE WHEN run.reason = 'daily' AND EXISTS (
        SELECT FROM sync_runs AS own
        WHERE own.user_id = $1 AND own.connection_id = $2 AND own.reason = 'daily' AND own.day = run.day
    ) THEN 'request' ELSE run.reason END
WHERE run.user_id = $1 AND run.connection_id = $3

-- name: note_former
-- Notes that an ended connection, and those that had gone on in it, go on in another one.
UPDATE connections AS link SET former_ids = link.former_ids || ended.former_ids || ended.connection_id
FROM connections AS ended
WHERE link.user_id = $1 AND link.connection_id = $2 AND ended.user_id = $1 AND ended.connection_id = $3
