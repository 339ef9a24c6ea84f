-- name: with_news
-- Places, from 1 on, of the streams whose person has other events than the newest they saw, or whose session is over.
SELECT place FROM streams_with_news(user_ids => $1, session_ids => $2, seqs => $3, moment => $4)

-- name: begin_reading
-- Whether a session still holds, its person's newest event, and whether they say anything of categories, before a stream
-- reads what there is.
SELECT
    EXISTS (SELECT 1 FROM sessions WHERE user_id = $1 AND session_id = $2 AND expires_at > $3) AS is_live,
    coalesce((SELECT event_seq FROM user_counters WHERE user_id = $1), 0) AS event_seq,
    EXISTS (SELECT 1 FROM personal_categories WHERE user_id = $1) AS has_own_categories
