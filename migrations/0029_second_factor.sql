-- A second factor for signing in: codes by time (RFC 6238), and codes for the day on which the device is lost.

-- What the codes of one person are made from, sealed as logins at institutions are. The API checks codes, so its role may
-- read it, and has no use for it without the operator's keys.
CREATE TABLE second_factors (
    user_id bigint PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    key_version int NOT NULL,
    wrapped_key bytea NOT NULL,
    ciphertext bytea NOT NULL,
    created_at timestamptz NOT NULL,
    -- When a first code proved that the person has the secret; NULL until then, and nothing is asked for.
    confirmed_at timestamptz,
    -- The step of time whose code was used last: no code is good twice, and no older one is good any more.
    last_step bigint NOT NULL DEFAULT 0
);

-- Codes of 80 random bits, each good once. A row is one that is left.
CREATE TABLE recovery_codes (
    user_id bigint NOT NULL REFERENCES second_factors ON DELETE CASCADE,
    code_hash bytea NOT NULL CHECK (length(code_hash) = 32),
    PRIMARY KEY (user_id, code_hash)
);

ALTER TABLE second_factors ENABLE ROW LEVEL SECURITY;
ALTER TABLE recovery_codes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON second_factors USING (user_id = (SELECT current_user_id()));
CREATE POLICY own_rows ON recovery_codes USING (user_id = (SELECT current_user_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON second_factors TO mintql_api;
GRANT SELECT, INSERT, DELETE ON recovery_codes TO mintql_api;
