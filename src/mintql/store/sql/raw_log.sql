-- name: note_files
-- Notes that files of the raw log hold lines of persons; of those who are gone nothing.
INSERT INTO raw_log_files (user_id, object_key)
SELECT users.user_id, said.object_key FROM unnest($1::bigint[], $2::text[]) AS said (user_id, object_key)
JOIN users USING (user_id)
ON CONFLICT DO NOTHING

-- name: files_of_person
-- Files of the raw log with lines of one person.
SELECT object_key FROM raw_log_files WHERE user_id = $1 ORDER BY object_key LIMIT $2

-- name: forget_file
-- Forgets, for these persons, a file of the raw log that is there no more.
DELETE FROM raw_log_files WHERE user_id = ANY ($1::bigint[]) AND object_key = $2
