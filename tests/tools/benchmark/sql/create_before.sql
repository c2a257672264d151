-- The statement of a create as it was before create_new_requirements, for the association types Application and Service.
-- It is kept for comparison only.
WITH input AS (
    SELECT *
    FROM json_to_recordset($1::json) AS input (
        request_uid uuid, token_digest bytea, required_type text, required_id bigint, requireable_type text,
        requireable_id bigint, key text, value text, params_digest bytea, request_id text
    )
),
callers AS MATERIALIZED (
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
    sessions.id IS NULL OR limits.roles && '{employee,liaison}' AS sees_all,
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
                THEN least(
                    least(sessions.created_at, '9999-12-31 23:59:59.999999+00') + interval '168 hours',
                    least(sessions.last_used_at, '9999-12-31 23:59:59.999999+00') + interval '72 hours'
                )
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
) AS limits
),
accepted AS MATERIALIZED (
    SELECT * FROM callers WHERE refusal IS NULL
),
locked (type, id) AS MATERIALIZED (
    SELECT 'Application' AS type, id
FROM (
    SELECT id
    FROM "public"."applications"
    WHERE
        id = ANY (ARRAY(
            SELECT required_id FROM accepted WHERE required_type = 'Application'
            UNION ALL
            SELECT requireable_id FROM accepted WHERE requireable_type = 'Application'
        ))
    ORDER BY id
    FOR KEY SHARE SKIP LOCKED
) AS locked
    UNION ALL
    SELECT 'Service' AS type, id
FROM (
    SELECT id
    FROM "public"."services"
    WHERE
        id = ANY (ARRAY(
            SELECT required_id FROM accepted WHERE required_type = 'Service'
            UNION ALL
            SELECT requireable_id FROM accepted WHERE requireable_type = 'Service'
        ))
    ORDER BY id
    FOR KEY SHARE SKIP LOCKED
) AS locked
),
checked AS MATERIALIZED (
    SELECT
        callers.*,
        (required_type, required_id) IN (SELECT type, id FROM locked) AS required_exists,
        (requireable_type, requireable_id) IN (SELECT type, id FROM locked) AS requireable_exists
    FROM callers
),
visible AS MATERIALIZED (
    SELECT request_uid FROM requirements WHERE request_uid = ANY ($2::uuid[])
),
existing AS MATERIALIZED (
    SELECT request_uid
FROM requirements
WHERE request_uid = ANY ($2::uuid[])
ORDER BY request_uid
FOR NO KEY UPDATE SKIP LOCKED
),
recorded AS MATERIALIZED (
    SELECT request_uid FROM changes WHERE request_uid = ANY ($2::uuid[])
),
inserted AS (
    INSERT INTO requirements (
        request_uid, required_type, required_id, requireable_type, requireable_id, key, value,
        application_id, user_id, session_id, params_digest, request_id
    )
    SELECT
        request_uid, required_type, required_id, requireable_type, requireable_id, key, value,
        application_id, user_id, session_id, params_digest, request_id
    FROM checked
    WHERE
        refusal IS NULL
        AND (
            (
                required_exists AND requireable_exists
                AND request_uid NOT IN (SELECT visible.request_uid FROM visible)
                AND request_uid NOT IN (SELECT recorded.request_uid FROM recorded)
            )
            OR request_uid IN (SELECT existing.request_uid FROM existing)
        )
    ORDER BY request_uid
    ON CONFLICT (request_uid) DO UPDATE SET params_digest = requirements.params_digest
    RETURNING
        requirements.request_uid, requirements.id, requirements.required_type, requirements.required_id,
        requirements.requireable_type, requirements.requireable_id, requirements.key, requirements.value,
        requirements.created_at, requirements.updated_at, requirements.params_digest, xmax = 0 AS created
),
queued_emails AS (
    INSERT INTO emails (requirement_id, recipients, attempts, sending, leased_until)
    SELECT id, $3::text[], 1, true, now() + $4::interval
    FROM inserted
    WHERE created AND $3::text[] IS NOT NULL
    RETURNING requirement_id, id AS email_id
)
SELECT
    checked.request_uid::text,
    checked.now,
    checked.refusal,
    checked.sees_all,
    checked.application_id,
    checked.slug,
    checked.name,
    checked.active,
    checked.application_created_at,
    checked.application_updated_at,
    checked.session_id,
    checked.user_id,
    checked.email,
    checked.roles,
    checked.remember_me,
    checked.session_created_at,
    checked.last_used_at,
    checked.expires_at,
    inserted.id,
    inserted.required_type,
    inserted.required_id,
    inserted.requireable_type,
    inserted.requireable_id,
    inserted.key,
    inserted.value,
    inserted.created_at,
    inserted.updated_at,
    inserted.params_digest,
    coalesce(inserted.created, false) AS created,
    queued_emails.email_id,
    checked.required_exists,
    checked.requireable_exists
FROM checked
LEFT JOIN inserted ON inserted.request_uid = checked.request_uid
LEFT JOIN queued_emails ON queued_emails.requirement_id = inserted.id
