-- What paychecks say about a person's yearly income, in minor units of users.currency: what the template rests on
-- while the person states none.
ALTER TABLE users
    ADD COLUMN detected_income_minor bigint,
    ADD COLUMN detected_income_at timestamptz,
    ADD CONSTRAINT users_detected_income_check CHECK (detected_income_minor >= 0) NOT VALID;
