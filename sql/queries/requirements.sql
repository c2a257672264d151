-- name: create_requirements
-- Write each submitted requirement whose caller is let in and whose two references exist, holding the rows referred to
-- against deletion. Who is refused has nothing looked at, held or written.
-- A row that already holds the request_uid wins over the references: it is returned as it stands, whether it is seen
-- from the start or met when inserting. The update then changes nothing, but makes the answer wait for a synchronous
-- standby as an insert does. Everyone takes rows in the order of their request_uid, so that nobody deadlocks.
-- No join that could be planned by scanning a table: the plan is made once, when the tables may still be empty.
-- $1: the submissions as a JSON array. $2: those of their request_uids that may be held already. With recipients in
-- $3, each new row has its e-mail in the outbox, which is the submitter's to send for $4. {callers} is the block of
-- that name, {references} is hold_references for each association type that is referred to, {known} is
-- hold_requirements; or the latter two are the blocks that do not wait.
-- What is returned: a row for each submission, with the verdict on its caller, then the requirement where one was
-- written, then which references are held. A good caller's that is not written though both are is held by a row that
-- someone else is changing, or took away just now.
WITH asked AS (
    SELECT *
    FROM json_to_recordset($1::json) AS asked (
        request_uid uuid, token_digest bytea, required_type text, required_id bigint, requireable_type text,
        requireable_id bigint, key text, value text, params_digest bytea
    )
),
called AS MATERIALIZED (
    {callers}
),
admitted AS MATERIALIZED (
    SELECT * FROM called WHERE refusal IS NULL
),
held (type, id) AS MATERIALIZED (
    {references}
),
judged AS MATERIALIZED (
    SELECT
        called.*,
        (required_type, required_id) IN (SELECT type, id FROM held) AS required_held,
        (requireable_type, requireable_id) IN (SELECT type, id FROM held) AS requireable_held
    FROM called
),
seen AS MATERIALIZED (
    SELECT request_uid FROM requirements WHERE request_uid = ANY ($2::uuid[])
),
known AS MATERIALIZED (
    {known}
),
written AS (
    INSERT INTO requirements (
        request_uid, required_type, required_id, requireable_type, requireable_id, key, value,
        application_id, user_id, session_id, params_digest
    )
    SELECT
        request_uid, required_type, required_id, requireable_type, requireable_id, key, value,
        application_id, user_id, session_id, params_digest
    FROM judged
    WHERE
        refusal IS NULL
        AND (
            (required_held AND requireable_held AND request_uid NOT IN (SELECT seen.request_uid FROM seen))
            OR request_uid IN (SELECT known.request_uid FROM known)
        )
    ORDER BY request_uid
    ON CONFLICT (request_uid) DO UPDATE SET params_digest = requirements.params_digest
    RETURNING
        requirements.request_uid, requirements.id, requirements.required_type, requirements.required_id,
        requirements.requireable_type, requirements.requireable_id, requirements.key, requirements.value,
        requirements.created_at, requirements.updated_at, requirements.params_digest, xmax = 0 AS created
),
queued AS (
    INSERT INTO emails (requirement_id, recipients, attempts, sending, leased_until)
    SELECT id, $3::text[], 1, true, now() + $4::interval
    FROM written
    WHERE created AND $3::text[] IS NOT NULL
    RETURNING requirement_id, id AS email_id
)
SELECT
    judged.request_uid::text,
    judged.now,
    judged.refusal,
    judged.application_id,
    judged.slug,
    judged.name,
    judged.active,
    judged.application_created_at,
    judged.application_updated_at,
    judged.session_id,
    judged.user_id,
    judged.email,
    judged.roles,
    judged.remember_me,
    judged.session_created_at,
    judged.last_used_at,
    judged.expires_at,
    written.id,
    written.required_type,
    written.required_id,
    written.requireable_type,
    written.requireable_id,
    written.key,
    written.value,
    written.created_at,
    written.updated_at,
    written.params_digest,
    coalesce(written.created, false) AS created,
    queued.email_id,
    judged.required_held,
    judged.requireable_held
FROM judged
LEFT JOIN written ON written.request_uid = judged.request_uid
LEFT JOIN queued ON queued.requirement_id = written.id;

-- name: hold_references
-- The rows of one association table that are referred to, held until the transaction ends; waits for whoever is
-- deleting one. {type}: the association type as a literal. {table}: its table as a quoted identifier. Ascending ids have
-- everyone take the locks in one order.
SELECT {type} AS type, id
FROM (
    SELECT id
    FROM {table}
    WHERE
        id = ANY (ARRAY(
            SELECT required_id FROM admitted WHERE required_type = {type}
            UNION ALL
            SELECT requireable_id FROM admitted WHERE requireable_type = {type}
        ))
    ORDER BY id
    FOR KEY SHARE
) AS held

-- name: hold_free_references
-- The same without waiting: a row that someone is deleting counts as not held.
SELECT {type} AS type, id
FROM (
    SELECT id
    FROM {table}
    WHERE
        id = ANY (ARRAY(
            SELECT required_id FROM admitted WHERE required_type = {type}
            UNION ALL
            SELECT requireable_id FROM admitted WHERE requireable_type = {type}
        ))
    ORDER BY id
    FOR KEY SHARE SKIP LOCKED
) AS held

-- name: hold_requirements
-- The request_uids that a requirement holds already; waits for whoever is changing one.
SELECT request_uid FROM requirements WHERE request_uid = ANY ($2::uuid[]) ORDER BY request_uid FOR NO KEY UPDATE

-- name: hold_free_requirements
-- The same without waiting: one that someone is changing is left out, and so not written at all.
SELECT request_uid
FROM requirements
WHERE request_uid = ANY ($2::uuid[])
ORDER BY request_uid
FOR NO KEY UPDATE SKIP LOCKED

-- name: find_requirement
-- The requirement that holds a request_uid: its columns in the order of create_requirements.
SELECT
    id, required_type, required_id, requireable_type, requireable_id, key, value, created_at, updated_at,
    params_digest
FROM requirements
WHERE request_uid = $1;
