-- An account that files alone brought is merged into the one that a connection reads: what was imported into it is
-- written anew, in a folder of its own, with a plan that names the other account. Objects are never overwritten.

-- The API may not write raw pages. This lets it point those of its person's imports to where they lie now, within the
-- person's own folder, and nowhere else. They count as ingested at the time of the merge: from then on their rows are
-- where they are.
CREATE FUNCTION move_import_pages(owner_user_id bigint, import_ids bigint[], file_keys text[], plan_keys text[],
    plan_digests bytea[], plan_sizes bigint[], moved_at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE raw_objects AS object SET
        object_key = CASE object.page WHEN 0 THEN moved.plan_key ELSE moved.file_key END,
        sha256 = CASE object.page WHEN 0 THEN moved.plan_digest ELSE object.sha256 END,
        size_bytes = CASE object.page WHEN 0 THEN moved.plan_size ELSE object.size_bytes END,
        ingested_at = CASE WHEN object.ingested_at IS NOT NULL THEN moved_at END
    FROM unnest(import_ids, file_keys, plan_keys, plan_digests, plan_sizes)
        AS moved (import_id, file_key, plan_key, plan_digest, plan_size)
    JOIN sync_runs AS run ON run.user_id = owner_user_id AND run.user_id = current_user_id()
        AND run.import_id = moved.import_id
    WHERE object.user_id = run.user_id AND object.run_id = run.run_id
        AND starts_with(moved.file_key, format('raw/%s/', run.user_id))
        AND starts_with(moved.plan_key, format('raw/%s/', run.user_id))
$$;
REVOKE ALL ON FUNCTION move_import_pages(bigint, bigint[], text[], text[], bytea[], bigint[], timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION move_import_pages(bigint, bigint[], text[], text[], bytea[], bigint[], timestamptz) TO mintql_api;
