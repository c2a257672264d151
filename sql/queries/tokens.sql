-- name: look_up_tokens
-- Look up tokens and decide for each whether it is valid.
--   $1                text  token digests, an array in PostgreSQL's text form
--   {token_verdicts}  the block of that name
WITH input (token_digest) AS (
    SELECT unnest($1::text::bytea[])
)
{token_verdicts};

-- name: token_verdicts
-- A part of a statement: the rows of `input`, each with the records behind its token_digest and the verdict on them.
--   {refusal}  the block token_refusal
--   {records}  the block token_records, with user_in_full
-- `sees_all`: applications, employees and liaisons see all requirements. A user who is only a client sees the
-- requirements that this user created. This is the only place that decides it.
SELECT
    input.*,
    now() AS now,
    {refusal} AS refusal,
    sessions.id IS NULL OR limits.roles && '{employee,liaison}' AS sees_all,
    applications.id AS application_id,
    applications.slug,
    applications.name,
    applications.active,
    applications.created_at AS application_created_at,
    applications.updated_at AS application_updated_at,
    sessions.id AS session_id,
    sessions.user_id,
    limits.email,
    limits.roles,
    sessions.remember_me,
    sessions.created_at AS session_created_at,
    sessions.last_used_at,
    limits.expires_at
FROM input
{records}

-- name: token_refusal
-- A part of a statement, over token_records: the status that refuses the token, or null if the token is valid. The first
-- reason counts. This is the only place that decides it.
CASE
    WHEN
        coalesce(application_tokens.id, sessions.id) IS NULL
        OR coalesce(application_tokens.revoked_at, sessions.revoked_at) IS NOT NULL
        OR NOT applications.active
        THEN 'invalid-token'
    WHEN now() > limits.expires_at THEN 'session-expired'
    WHEN sessions.id IS NOT NULL AND limits.roles = '{}' THEN 'client-required'
END

-- name: token_records
-- A part of a statement: the joins that find the records behind the token_digest of each row of `input`.
--   {user}  user_in_full, or user_in_short
-- All times are compared on the database's clock. A session expires 7 days after its creation, or when it was not used
-- for 72 hours. The intervals are in hours, because a day has 23 to 25 hours in some time zones.
-- Other software may store any time: the sum with an interval must stay within the times that PostgreSQL knows. A time
-- after the year 9999 counts as its end.
-- A token belongs to a session or to an application: if a session is found, no application is looked up.
-- Each row is looked up through unique indexes, so that the plan does not depend on table sizes.
LEFT JOIN sessions ON sessions.token_digest = input.token_digest
LEFT JOIN application_tokens
    ON application_tokens.token_digest = CASE WHEN sessions.id IS NULL THEN input.token_digest END
LEFT JOIN applications ON applications.id = coalesce(application_tokens.application_id, sessions.application_id)
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN NOT sessions.remember_me
                THEN least(
                    least(sessions.created_at, '9999-12-31 23:59:59.999999+00') + interval '168 hours',
                    least(sessions.last_used_at, '9999-12-31 23:59:59.999999+00') + interval '72 hours'
                )
        END AS expires_at,
        {user}
) AS limits

-- name: user_in_full
-- A part of token_records: the e-mail address and the roles of the session's user.
(SELECT users.email FROM users WHERE users.id = sessions.user_id) AS email,
array_remove(
    ARRAY[
        (SELECT 'client' FROM clients WHERE clients.user_id = sessions.user_id),
        (SELECT 'employee' FROM employees WHERE employees.user_id = sessions.user_id),
        (SELECT 'liaison' FROM liaisons WHERE liaisons.user_id = sessions.user_id)
    ], NULL
) AS roles
-- Keeps the planner from evaluating these expressions once per reference.
OFFSET 0

-- name: user_in_short
-- A part of token_records, for token_refusal alone: no roles if the session's user has none, and null if there are some.
-- One role after the other is looked for until one is found.
CASE
    WHEN
        coalesce(
            (SELECT true FROM clients WHERE clients.user_id = sessions.user_id),
            (SELECT true FROM employees WHERE employees.user_id = sessions.user_id),
            (SELECT true FROM liaisons WHERE liaisons.user_id = sessions.user_id)
        ) IS NULL
        THEN '{}'::text[]
END AS roles

-- name: touch_sessions
-- Record the use of sessions, each at most once per interval.
--   $1  text      session ids, an array in PostgreSQL's text form
--   $2  interval  minimum time between two recorded uses
-- Rows locked by another transaction are skipped.
UPDATE sessions
SET last_used_at = now()
WHERE id IN (
    SELECT id FROM sessions
    WHERE id = ANY ($1::text::bigint[]) AND last_used_at <= now() - $2::interval
    ORDER BY id
    FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING id;
