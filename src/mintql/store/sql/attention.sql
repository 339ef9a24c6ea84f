-- name: waiting
-- Connections of one person that wait for them, with the names of their accounts.
SELECT connection_id, institution_id, login_hint, last_success_at, error_code, error_message, error_action,
    ARRAY(
        SELECT name FROM accounts
        WHERE accounts.user_id = link.user_id AND accounts.connection_id = link.connection_id
        ORDER BY account_id
    ) AS account_names
FROM connections AS link WHERE user_id = $1 AND status = 'action_required' ORDER BY connection_id
