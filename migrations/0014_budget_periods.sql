-- What paychecks say about a person's yearly income, in minor units of users.currency: what the template rests on
-- while the person states none.
ALTER TABLE users
    ADD COLUMN detected_income_minor bigint,
    ADD COLUMN detected_income_at timestamptz,
    ADD CONSTRAINT users_detected_income_check CHECK (detected_income_minor >= 0) NOT VALID;

-- A budget is for a category, a group or everything (0) in one currency. Its overrides hold from a day on, and say how
-- its periods follow each other: `period_every` units long, one of them beginning on `period_anchor`. What was there
-- before is of calendar months, from the first day of one on, without rollover: what the defaults say.
ALTER TABLE budget_overrides RENAME COLUMN month TO since;
ALTER TABLE budget_overrides
    DROP CONSTRAINT budget_overrides_month_check,
    DROP CONSTRAINT budget_overrides_pkey,
    ADD COLUMN period_unit text NOT NULL DEFAULT 'month',
    ADD COLUMN period_every smallint NOT NULL DEFAULT 1,
    ADD COLUMN period_anchor date NOT NULL DEFAULT '2000-01-01',
    ADD COLUMN carry_surplus boolean NOT NULL DEFAULT false,
    ADD COLUMN carry_overspend boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT budget_overrides_period_check
        CHECK (period_unit IN ('week', 'month', 'year') AND period_every BETWEEN 1 AND 12),
    -- A whole period's limit that is the template's can only be of calendar months.
    ADD CONSTRAINT budget_overrides_template_check CHECK (limit_minor IS NOT NULL
        OR (period_unit = 'month' AND period_every = 1 AND period_anchor = '2000-01-01')),
    ADD PRIMARY KEY (user_id, category_id, currency, since, recurring);

-- An alert is of a period: of a calendar month, as all were, or of another.
ALTER TABLE alerts RENAME COLUMN month TO period_first;
ALTER TABLE alerts
    ADD COLUMN period_last date,
    ADD COLUMN carried_minor bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT alerts_user_id_category_id_month_threshold_percent_revision_key,
    ADD UNIQUE (user_id, category_id, currency, period_first, threshold_percent, revision);
UPDATE alerts SET period_last = (period_first + interval '1 month - 1 day')::date;
ALTER TABLE alerts ALTER COLUMN period_last SET NOT NULL;
