-- Which runs nobody waits for: those of the day, and those that follow from them, such as the whole history of an account
-- that showed up. They are carried in the background, and looked for apart from what persons wait for.
ALTER TABLE sync_runs ADD COLUMN background boolean NOT NULL DEFAULT false;
UPDATE sync_runs SET background = true WHERE reason = 'daily' AND state NOT IN ('succeeded', 'failed');
CREATE INDEX sync_runs_due_persons_idx ON sync_runs (next_attempt_at)
    WHERE state NOT IN ('succeeded', 'failed') AND NOT background;
CREATE INDEX sync_runs_due_background_idx ON sync_runs (next_attempt_at)
    WHERE state NOT IN ('succeeded', 'failed') AND background;
DROP INDEX sync_runs_due_own_idx, sync_runs_due_daily_idx;
