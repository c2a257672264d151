-- name: find_callers
-- The application or session that each token digest belongs to, with all that its judgement needs, on the
-- database's clock.
SELECT
    application_tokens.token_digest,
    application_tokens.revoked_at IS NOT NULL AS revoked,
    applications.id AS application_id,
    applications.slug,
    applications.name,
    applications.active,
    applications.created_at AS application_created_at,
    applications.updated_at AS application_updated_at,
    NULL AS session_id,
    NULL AS user_id,
    NULL AS email,
    NULL AS roles,
    NULL AS remember_me,
    NULL AS session_created_at,
    NULL AS last_used_at,
    now() AS now
FROM application_tokens
INNER JOIN applications ON applications.id = application_tokens.application_id
WHERE application_tokens.token_digest = ANY ($1::bytea[])
UNION ALL
SELECT
    sessions.token_digest,
    sessions.revoked_at IS NOT NULL,
    applications.id,
    applications.slug,
    applications.name,
    applications.active,
    applications.created_at,
    applications.updated_at,
    sessions.id,
    users.id,
    users.email,
    array_remove(
        ARRAY[
            CASE WHEN EXISTS (SELECT FROM clients WHERE user_id = users.id) THEN 'client' END,
            CASE WHEN EXISTS (SELECT FROM employees WHERE user_id = users.id) THEN 'employee' END,
            CASE WHEN EXISTS (SELECT FROM liaisons WHERE user_id = users.id) THEN 'liaison' END
        ], NULL
    ),
    sessions.remember_me,
    sessions.created_at,
    sessions.last_used_at,
    now()
FROM sessions
INNER JOIN users ON users.id = sessions.user_id
LEFT JOIN applications ON applications.id = sessions.application_id
WHERE sessions.token_digest = ANY ($1::bytea[]);

-- name: touch_sessions
-- Record that sessions were used, each at most once in $2. A row that someone else is writing is left to them.
UPDATE sessions
SET last_used_at = now()
WHERE id IN (
    SELECT id FROM sessions
    WHERE id = ANY ($1::bigint[]) AND last_used_at <= now() - $2::interval
    ORDER BY id
    FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING id;
