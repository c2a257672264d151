-- name: create_requirements
-- Write each submitted requirement whose two references exist, holding the rows referred to against deletion.
-- A row that already holds the request_uid wins over everything else: it is returned as it stands. The update then
-- changes nothing, but makes the answer wait for a synchronous standby as an insert does.
-- {references}: one hold_references for each association type that occurs.
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
referred (type, id) AS (
    SELECT required_type, required_id FROM submitted
    UNION
    SELECT requireable_type, requireable_id FROM submitted
),
held (type, id) AS MATERIALIZED (
    {references}
),
judged AS (
    SELECT
        submitted.*,
        EXISTS (SELECT FROM held WHERE type = required_type AND id = required_id) AS required_exists,
        EXISTS (SELECT FROM held WHERE type = requireable_type AND id = requireable_id) AS requireable_exists
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
    WHERE (required_exists AND requireable_exists)
        OR EXISTS (SELECT FROM requirements AS known WHERE known.request_uid = judged.request_uid)
    ON CONFLICT (request_uid) DO UPDATE SET params_digest = requirements.params_digest
    RETURNING *, xmax = 0 AS created
)
SELECT
    judged.request_uid,
    judged.required_exists,
    judged.requireable_exists,
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
    written.created
FROM judged LEFT JOIN written USING (request_uid);

-- name: hold_references
-- The rows of one association table that are referred to, held until the transaction ends.
-- {type}: the association type as a literal. {table}: its table as a quoted identifier.
SELECT {type} AS type, id
FROM (
    SELECT id FROM {table} WHERE id IN (SELECT id FROM referred WHERE type = {type}) ORDER BY id FOR KEY SHARE
) AS held

-- name: find_requirement
-- The requirement that holds a request_uid, as create_requirements returns it.
SELECT
    id, required_type, required_id, requireable_type, requireable_id, key, value, params_digest, created_at,
    updated_at, false AS created
FROM requirements
WHERE request_uid = $1;
