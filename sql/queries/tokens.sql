-- name: look_up_tokens
-- Look up tokens and decide for each whether it is valid.
--   $1                bytea[]  token digests
--   {token_verdicts}  the block of that name
WITH input (token_digest) AS (
    SELECT unnest($1::bytea[])
)
{token_verdicts};

-- name: token_verdicts
-- A part of a statement: the rows of `input`, each with the records behind its token_digest and the verdict on them.
-- `refusal` is the status that refuses the token, or null if the token is valid. The first reason counts.
-- All times are compared on the database's clock. A session expires 7 days after its creation, or when it was not used
-- for 72 hours. The intervals are in hours, because a day has 23 to 25 hours in some time zones.
-- Each row is looked up through unique indexes, so that the plan does not depend on table sizes.
SELECT
    input.*,
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
FROM input
LEFT JOIN application_tokens ON application_tokens.token_digest = input.token_digest
LEFT JOIN sessions ON sessions.token_digest = input.token_digest
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
    -- Keeps the planner from evaluating these expressions once per reference.
    OFFSET 0
) AS limits;

-- name: touch_sessions
-- Record the use of sessions, each at most once per interval.
--   $1  bigint[]  session ids
--   $2  interval  minimum time between two recorded uses
-- Rows locked by another transaction are skipped.
UPDATE sessions
SET last_used_at = now()
WHERE id IN (
    SELECT id FROM sessions
    WHERE id = ANY ($1::bigint[]) AND last_used_at <= now() - $2::interval
    ORDER BY id
    FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING id;
