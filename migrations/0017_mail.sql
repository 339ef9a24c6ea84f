-- How far the persons of a time zone have been gone through for the summary of one period. Rows of nobody.
CREATE TABLE summary_rounds (
    kind text NOT NULL CHECK (kind IN ('weekly_summary', 'monthly_summary')),
    time_zone text NOT NULL,
    period_first date NOT NULL,
    after_user_id bigint NOT NULL DEFAULT 0,
    finished_at timestamptz,
    PRIMARY KEY (kind, time_zone, period_first)
);
CREATE INDEX users_time_zone_idx ON users (time_zone, user_id);

-- Persons whose summary of a period is still to be made. Taken off in the transaction that raises it.
CREATE TABLE summaries_due (
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('weekly_summary', 'monthly_summary')),
    period_first date NOT NULL,
    due_at timestamptz NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, kind, period_first)
);
CREATE INDEX summaries_due_idx ON summaries_due (due_at);
ALTER TABLE summaries_due ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON summaries_due USING (user_id = (SELECT current_user_id()));
