-- Raw pages of a run lie under keys that begin with its number, `raw/{person}/{connection}/{run}-`, and no longer in a
-- folder of its own. What is to be removed may be named so; what could be named before still can.
ALTER TABLE doomed_objects
    DROP CONSTRAINT doomed_objects_prefix_check,
    ADD CONSTRAINT doomed_objects_prefix_check
        CHECK (prefix ~ ('^raw/' || user_id || '/([A-Za-z0-9_-]+/)+([0-9]+-)?$')) NOT VALID;
