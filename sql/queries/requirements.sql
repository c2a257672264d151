-- name: create_requirements
-- Write each submitted requirement whose two references exist, holding the rows referred to against deletion.
-- A row that already holds the request_uid wins over everything else: it is returned as it stands, whether it is seen
-- from the start or met when inserting. The update then changes nothing, but makes the answer wait for a synchronous
-- standby as an insert does. Everyone takes rows in the order of their request_uid, so that nobody deadlocks.
-- No join that could be planned by scanning a table: the plan is made once, when the tables may still be empty.
-- $1: the submissions as a JSON array. $2: those of their request_uids that may be held already. With recipients in
-- $3, each new row has its e-mail in the outbox, which is the submitter's to send for $4. {references} is
-- hold_references for each association type that is referred to, {known} is hold_requirements; or both are the blocks
-- that do not wait.
-- What is returned: a row for each submission that was written, and one without an id for each whose references are
-- not both held. One that is in neither is held by a row that someone else is changing, or took away just now.
WITH submitted AS (
    SELECT *
    FROM json_to_recordset($1::json) AS submitted (
        request_uid uuid, required_type text, required_id bigint, requireable_type text, requireable_id bigint,
        key text, value text, application_id bigint, user_id bigint, session_id bigint, params_digest bytea
    )
),
held (type, id) AS MATERIALIZED (
    {references}
),
judged AS MATERIALIZED (
    SELECT
        submitted.*,
        (required_type, required_id) IN (SELECT type, id FROM held) AS required_held,
        (requireable_type, requireable_id) IN (SELECT type, id FROM held) AS requireable_held
    FROM submitted
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
        (required_held AND requireable_held AND request_uid NOT IN (SELECT seen.request_uid FROM seen))
        OR request_uid IN (SELECT known.request_uid FROM known)
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
    NULL::bigint AS id,
    NULL AS required_type,
    NULL::bigint AS required_id,
    NULL AS requireable_type,
    NULL::bigint AS requireable_id,
    NULL AS key,
    NULL AS value,
    NULL::timestamptz AS created_at,
    NULL::timestamptz AS updated_at,
    NULL::bytea AS params_digest,
    false AS created,
    NULL::bigint AS email_id,
    required_held,
    requireable_held
FROM judged
WHERE NOT (required_held AND requireable_held)
UNION ALL
SELECT
    written.request_uid::text, written.id, required_type, required_id, requireable_type, requireable_id, key, value,
    created_at, updated_at, params_digest, created, queued.email_id, true, true
FROM written
LEFT JOIN queued ON queued.requirement_id = written.id;

-- name: hold_references
-- The rows of one association table that are referred to, held until the transaction ends; waits for whoever is
-- deleting one. {type}: the association type as a literal. {table}: its table as a quoted identifier. {ids}: the
-- parameter with the ids, in ascending order so that all take the locks in one order.
SELECT {type} AS type, id
FROM (SELECT id FROM {table} WHERE id = ANY ({ids}::bigint[]) ORDER BY id FOR KEY SHARE) AS held

-- name: hold_free_references
-- The same without waiting: a row that someone is deleting counts as not held.
SELECT {type} AS type, id
FROM (SELECT id FROM {table} WHERE id = ANY ({ids}::bigint[]) ORDER BY id FOR KEY SHARE SKIP LOCKED) AS held

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
