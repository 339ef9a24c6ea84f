-- Runs that a person asked for and runs of the day are looked for apart, so that the first never stand behind the second.
CREATE INDEX sync_runs_due_own_idx ON sync_runs (next_attempt_at)
    WHERE state NOT IN ('succeeded', 'failed') AND reason <> 'daily';
CREATE INDEX sync_runs_due_daily_idx ON sync_runs (next_attempt_at)
    WHERE state NOT IN ('succeeded', 'failed') AND reason = 'daily';
DROP INDEX sync_runs_due_idx;
