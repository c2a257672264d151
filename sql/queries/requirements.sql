-- name: create_requirements
-- Write each submitted requirement whose two references exist, holding the rows referred to against deletion.
-- A row that already holds the request_uid wins over everything else: it is returned as it stands. The update then
-- changes nothing, but makes the answer wait for a synchronous standby as an insert does.
-- With recipients in $12, each new row has its e-mail in the outbox, which is the submitter's to send for $13.
-- $1 to $11 are the columns of the submissions. {references} is a block below for each association type.
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
written AS (
    INSERT INTO requirements (
        request_uid, required_type, required_id, requireable_type, requireable_id, key, value,
        application_id, user_id, session_id, params_digest
    )
    SELECT
        request_uid, required_type, required_id, requireable_type, requireable_id, key, value,
        application_id, user_id, session_id, params_digest
    FROM judged
    WHERE (required_held AND requireable_held)
        OR EXISTS (SELECT FROM requirements AS known WHERE known.request_uid = judged.request_uid)
    ON CONFLICT (request_uid) DO UPDATE SET params_digest = requirements.params_digest
    RETURNING *, xmax = 0 AS created
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

-- name: find_requirement
-- The requirement that holds a request_uid, as create_requirements returns it.
SELECT
    id, required_type, required_id, requireable_type, requireable_id, key, value, params_digest, created_at,
    updated_at, false AS created
FROM requirements
WHERE request_uid = $1;
