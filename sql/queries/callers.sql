-- name: find_callers
-- For each token digest of $1 what {callers}, the block of that name, tells of it.
WITH asked (token_digest) AS (
    SELECT unnest($1::bytea[])
)
{callers};

-- name: callers
-- What is asked, a token_digest in each row of it, with the application or session behind the token and the verdict
-- on it: why it is refused, null where it is good. The first reason counts; the clock is the database's.
-- A session lasts seven days and ends when it is not used for 72 hours, as the page of the API says. To a day as such
-- the time zone of the server would give 23, 24 or 25 hours.
-- Each row asks the unique indexes: the plan is the same for any number of tokens, and in tables of any size.
SELECT
    asked.*,
    now() AS now,
    CASE
        WHEN
            coalesce(application_tokens.id, sessions.id) IS NULL
            OR coalesce(application_tokens.revoked_at, sessions.revoked_at) IS NOT NULL
            OR NOT applications.active
            THEN 'invalid-token'
        WHEN now() > limits.expires_at THEN 'session-expired'
        WHEN sessions.id IS NOT NULL AND limits.roles = '{}' THEN 'client-required'
    END AS refusal,
    applications.id AS application_id,
    applications.slug,
    applications.name,
    applications.active,
    applications.created_at AS application_created_at,
    applications.updated_at AS application_updated_at,
    sessions.id AS session_id,
    users.id AS user_id,
    users.email,
    limits.roles,
    sessions.remember_me,
    sessions.created_at AS session_created_at,
    sessions.last_used_at,
    limits.expires_at
FROM asked
LEFT JOIN application_tokens ON application_tokens.token_digest = asked.token_digest
LEFT JOIN sessions ON sessions.token_digest = asked.token_digest
LEFT JOIN users ON users.id = sessions.user_id
LEFT JOIN applications ON applications.id = coalesce(application_tokens.application_id, sessions.application_id)
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN NOT sessions.remember_me
                THEN least(sessions.created_at + interval '168 hours', sessions.last_used_at + interval '72 hours')
        END AS expires_at,
        array_remove(
            ARRAY[
                (SELECT 'client' FROM clients WHERE clients.user_id = users.id),
                (SELECT 'employee' FROM employees WHERE employees.user_id = users.id),
                (SELECT 'liaison' FROM liaisons WHERE liaisons.user_id = users.id)
            ], NULL
        ) AS roles
    -- Else each would be worked out wherever it is named.
    OFFSET 0
) AS limits;

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
