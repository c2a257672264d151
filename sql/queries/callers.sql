-- name: find_callers
-- For each token digest the application or session that it belongs to, with all that its judgement needs, on the
-- database's clock. One pass over the digests, each joined by its unique index: the plan is the same for any number
-- of tokens.
SELECT
    wanted.token_digest,
    now() AS now,
    coalesce(application_tokens.revoked_at, sessions.revoked_at) IS NOT NULL AS revoked,
    applications.id AS application_id,
    applications.slug,
    applications.name,
    applications.active,
    applications.created_at AS application_created_at,
    applications.updated_at AS application_updated_at,
    sessions.id AS session_id,
    users.id AS user_id,
    users.email,
    array_remove(
        ARRAY[
            (SELECT 'client' FROM clients WHERE clients.user_id = users.id),
            (SELECT 'employee' FROM employees WHERE employees.user_id = users.id),
            (SELECT 'liaison' FROM liaisons WHERE liaisons.user_id = users.id)
        ], NULL
    ) AS roles,
    sessions.remember_me,
    sessions.created_at AS session_created_at,
    sessions.last_used_at
FROM unnest($1::bytea[]) AS wanted (token_digest)
LEFT JOIN application_tokens ON application_tokens.token_digest = wanted.token_digest
LEFT JOIN sessions ON sessions.token_digest = wanted.token_digest
LEFT JOIN users ON users.id = sessions.user_id
LEFT JOIN applications ON applications.id = coalesce(application_tokens.application_id, sessions.application_id)
WHERE application_tokens.id IS NOT NULL OR sessions.id IS NOT NULL;

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
