-- name: create_requirements
-- Write each submitted requirement whose two references exist, holding the rows referred to against deletion.
-- A row that already holds the request_uid wins over everything else: it is returned as it stands, whether it is seen
-- from the start or met when inserting. The update then changes nothing, but makes the answer wait for a synchronous
-- standby as an insert does. Everyone takes rows in the order of their request_uid, so that nobody deadlocks.
-- With recipients in $12, each new row has its e-mail in the outbox, which is the submitter's to send for $13.
-- $1 to $11 are the columns of the submissions. {references} is hold_references for each association
-- type, {known} is hold_requirements; or both are the blocks that do not wait.
WITH submitted AS (
    SELECT *
    FROM unnest(
        $1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::text[],
        $8::bigint[], $9::bigint[], $10::bigint[], $11::bytea[]
    ) AS submitted (
        request_uid, required_type, required_id, requireable_type, requireable_id, key, value,
        application_id, user_id, session_id, params_digest
    )
),
held (type, id) AS MATERIALIZED (
    {references}
),
judged AS (
    SELECT
        submitted.*,
        (required_type, required_id) IN (SELECT type, id FROM held) AS required_held,
        (requireable_type, requireable_id) IN (SELECT type, id FROM held) AS requireable_held
    FROM submitted
),
seen AS MATERIALIZED (
    SELECT id, request_uid FROM requirements WHERE request_uid = ANY ($1::uuid[])
),
known AS (
    UPDATE requirements SET params_digest = requirements.params_digest
    WHERE id IN ({known})
    RETURNING
        requirements.id, requirements.request_uid, requirements.required_type, requirements.required_id,
        requirements.requireable_type, requirements.requireable_id, requirements.key, requirements.value,
        requirements.params_digest, requirements.created_at, requirements.updated_at,
        false AS created
),
inserted AS (
    INSERT INTO requirements (
        request_uid, required_type, required_id, requireable_type, requireable_id, key, value,
        application_id, user_id, session_id, params_digest
    )
    SELECT
        request_uid, required_type, required_id, requireable_type, requireable_id, key, value,
        application_id, user_id, session_id, params_digest
    FROM judged
    WHERE required_held AND requireable_held AND request_uid NOT IN (SELECT seen.request_uid FROM seen)
    ORDER BY request_uid
    ON CONFLICT (request_uid) DO UPDATE SET params_digest = requirements.params_digest
    RETURNING
        requirements.id, requirements.request_uid, requirements.required_type, requirements.required_id,
        requirements.requireable_type, requirements.requireable_id, requirements.key, requirements.value,
        requirements.params_digest, requirements.created_at, requirements.updated_at,
        xmax = 0 AS created
),
written AS (
    SELECT * FROM known
    UNION ALL
    SELECT * FROM inserted
),
queued AS (
    INSERT INTO emails (requirement_id, recipients, attempts, sending, leased_until)
    SELECT id, $12::text[], 1, true, now() + $13::interval
    FROM written
    WHERE created AND $12::text[] IS NOT NULL
    RETURNING requirement_id, id AS email_id
)
SELECT
    judged.request_uid,
    judged.required_held,
    judged.requireable_held,
    written.id,
    written.required_type,
    written.required_id,
    written.requireable_type,
    written.requireable_id,
    written.key,
    written.value,
    written.params_digest,
    written.created_at,
    written.updated_at,
    written.created,
    queued.email_id
FROM judged
LEFT JOIN written USING (request_uid)
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
-- The requirements that hold a request_uid already; waits for whoever is changing one.
SELECT id FROM requirements WHERE request_uid = ANY ($1::uuid[]) ORDER BY request_uid FOR NO KEY UPDATE

-- name: hold_free_requirements
-- The same without waiting: one that someone is changing is left out, and so not written at all.
SELECT id FROM requirements WHERE request_uid = ANY ($1::uuid[]) ORDER BY request_uid FOR NO KEY UPDATE SKIP LOCKED

-- name: find_requirement
-- The requirement that holds a request_uid, as create_requirements returns it.
SELECT
    id, required_type, required_id, requireable_type, requireable_id, key, value, params_digest, created_at,
    updated_at, false AS created
FROM requirements
WHERE request_uid = $1;
