-- Whoever watches asks now and then how many deliveries were given up, and which sums were found wrong lately.
CREATE INDEX outbox_dead_idx ON outbox (channel) WHERE state = 'dead';
CREATE INDEX reconcile_findings_found_idx ON reconcile_findings (found_at);

-- How far the nightly comparison of sums has come: it goes on there the next night, and begins anew after the last
-- person. One row, of nobody; none before the first night.
CREATE TABLE reconcile_progress (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    after_user_id bigint NOT NULL DEFAULT 0,
    night_ended_at timestamptz,
    round_ended_at timestamptz
);
