-- What was changed under a key that the client chose, and the answer to it: a retry finds both and changes nothing again.
-- The row is written in the transaction of the change; the answer follows, sealed, since it may hold a token.
CREATE TABLE idempotency_keys (
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    -- A keyed hash of the mutation, its arguments and what is selected of the answer.
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    created_at timestamptz NOT NULL,
    -- NULL until the answer is there, and for good when it got lost.
    key_version int,
    wrapped_key bytea,
    ciphertext bytea,
    PRIMARY KEY (user_id, key),
    CHECK ((key_version IS NULL) = (ciphertext IS NULL) AND (wrapped_key IS NULL) = (ciphertext IS NULL))
);
CREATE INDEX idempotency_keys_created_idx ON idempotency_keys (created_at);

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON idempotency_keys USING (user_id = (SELECT current_user_id()));
GRANT SELECT, INSERT, UPDATE ON idempotency_keys TO mintql_api;
