-- name: versions
-- How many secrets of everybody's are wrapped by which version of the key, table by table.
SELECT 'connection_secrets' AS table_name, key_version, count(*) AS secrets FROM connection_secrets GROUP BY key_version
UNION ALL SELECT 'webhook_secrets', key_version, count(*) FROM webhook_secrets GROUP BY key_version
UNION ALL SELECT 'second_factors', key_version, count(*) FROM second_factors GROUP BY key_version
UNION ALL SELECT 'farewells', key_version, count(*) FROM farewells GROUP BY key_version
UNION ALL SELECT 'idempotency_keys', key_version, count(*) FROM idempotency_keys
    WHERE key_version IS NOT NULL GROUP BY key_version
ORDER BY 1, 2

-- name: connections_after
-- Logins wrapped by another version, after a key in the table's order, locked.
SELECT user_id, connection_id AS row_id, 0 AS part_no, key_version, wrapped_key, ciphertext FROM connection_secrets
WHERE (user_id, connection_id) > ($1::bigint, $2::bigint) AND $3::int IS NOT NULL AND key_version <> $4
ORDER BY user_id, connection_id LIMIT $5 FOR UPDATE SKIP LOCKED

-- name: webhooks_after
-- Secrets of webhooks wrapped by another version, after a key in the table's order, locked.
SELECT user_id, endpoint_id AS row_id, secret_no AS part_no, key_version, wrapped_key, ciphertext FROM webhook_secrets
WHERE (user_id, endpoint_id, secret_no) > ($1::bigint, $2::bigint, $3::int) AND key_version <> $4
ORDER BY user_id, endpoint_id, secret_no LIMIT $5 FOR UPDATE SKIP LOCKED

-- name: second_factors_after
-- Secrets of second factors wrapped by another version, after a key in the table's order, locked.
SELECT user_id, 0::bigint AS row_id, 0 AS part_no, key_version, wrapped_key, ciphertext FROM second_factors
WHERE user_id > $1::bigint AND $2::bigint IS NOT NULL AND $3::int IS NOT NULL AND key_version <> $4
ORDER BY user_id LIMIT $5 FOR UPDATE SKIP LOCKED

-- name: rewrap_connections
-- Writes data keys of logins as they are wrapped anew.
UPDATE connection_secrets AS secret SET key_version = new.key_version, wrapped_key = new.wrapped_key
FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::int[], $5::bytea[])
    AS new (user_id, row_id, part_no, key_version, wrapped_key)
WHERE secret.user_id = new.user_id AND secret.connection_id = new.row_id

-- name: rewrap_webhooks
-- Writes data keys of webhooks' secrets as they are wrapped anew.
UPDATE webhook_secrets AS secret SET key_version = new.key_version, wrapped_key = new.wrapped_key
FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::int[], $5::bytea[])
    AS new (user_id, row_id, part_no, key_version, wrapped_key)
WHERE secret.user_id = new.user_id AND secret.endpoint_id = new.row_id AND secret.secret_no = new.part_no

-- name: rewrap_second_factors
-- Writes data keys of second factors as they are wrapped anew.
UPDATE second_factors AS secret SET key_version = new.key_version, wrapped_key = new.wrapped_key
FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::int[], $5::bytea[])
    AS new (user_id, row_id, part_no, key_version, wrapped_key)
WHERE secret.user_id = new.user_id
