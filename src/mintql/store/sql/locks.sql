-- name: lock_users
-- Write locks of these persons, taken in the order given (ascending), until the transaction ends.
SELECT pg_advisory_xact_lock(user_id) FROM unnest($1::bigint[]) WITH ORDINALITY AS wanted (user_id, place)
