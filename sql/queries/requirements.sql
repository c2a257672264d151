-- name: create_requirements
-- Insert requirements whose token is valid and whose two references exist, and lock the referenced rows against
-- deletion until the transaction ends.
--   $1                json       the requirements, an array of objects
--   $2                uuid[]     those of their request_uids that may exist already: of keyed calls and of retries
--   $3                text[]     recipients of the e-mail that is queued for each new row; null: no e-mail
--   $4                interval   how long the queued e-mail is leased to this call
--   {token_verdicts}  the block of that name
--   {references}      lock_references, or its form that does not wait, once per association type in $1
--   {existing}        lock_existing, or its form that does not wait
-- Returns one row per input row: the verdict on the token, the requirement if one was inserted or existed, and whether
-- each reference was locked. A rejected caller's row locks and inserts nothing.
-- A row that already holds the request_uid wins over every later check and is returned as it is. The update on conflict
-- changes nothing, but it writes WAL, so that the answer waits for a synchronous standby like an insert.
-- Rows are inserted in the order of their request_uid, so that concurrent statements cannot deadlock.
-- Caller accepted and both references locked, but no row returned: a concurrent transaction holds or has just deleted
-- this request_uid. Retry the row alone, waiting.
-- The plan is made once, possibly while the tables are empty: no join here may be planned as a scan of a table.
WITH input AS (
    SELECT *
    FROM json_to_recordset($1::json) AS input (
        request_uid uuid, token_digest bytea, required_type text, required_id bigint, requireable_type text,
        requireable_id bigint, key text, value text, params_digest bytea
    )
),
callers AS MATERIALIZED (
    {token_verdicts}
),
accepted AS MATERIALIZED (
    SELECT * FROM callers WHERE refusal IS NULL
),
locked (type, id) AS MATERIALIZED (
    {references}
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
    {existing}
),
inserted AS (
    INSERT INTO requirements (
        request_uid, required_type, required_id, requireable_type, requireable_id, key, value,
        application_id, user_id, session_id, params_digest
    )
    SELECT
        request_uid, required_type, required_id, requireable_type, requireable_id, key, value,
        application_id, user_id, session_id, params_digest
    FROM checked
    WHERE
        refusal IS NULL
        AND (
            (required_exists AND requireable_exists AND request_uid NOT IN (SELECT visible.request_uid FROM visible))
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
LEFT JOIN queued_emails ON queued_emails.requirement_id = inserted.id;

-- name: lock_references
-- A part of create_requirements: lock the referenced rows of one association table, and wait for concurrent deletions.
--   {type}   the association type, as a literal
--   {table}  its table, as a quoted identifier
-- Rows are locked in the order of their ids, so that concurrent statements cannot deadlock.
SELECT {type} AS type, id
FROM (
    SELECT id
    FROM {table}
    WHERE
        id = ANY (ARRAY(
            SELECT required_id FROM accepted WHERE required_type = {type}
            UNION ALL
            SELECT requireable_id FROM accepted WHERE requireable_type = {type}
        ))
    ORDER BY id
    FOR KEY SHARE
) AS locked

-- name: lock_references_skip_locked
-- As lock_references, without waiting: a row that another transaction is deleting counts as absent.
--   {type}   the association type, as a literal
--   {table}  its table, as a quoted identifier
SELECT {type} AS type, id
FROM (
    SELECT id
    FROM {table}
    WHERE
        id = ANY (ARRAY(
            SELECT required_id FROM accepted WHERE required_type = {type}
            UNION ALL
            SELECT requireable_id FROM accepted WHERE requireable_type = {type}
        ))
    ORDER BY id
    FOR KEY SHARE SKIP LOCKED
) AS locked

-- name: lock_existing
-- A part of create_requirements: lock the requirements that hold one of the request_uids $2, waiting for concurrent
-- changes.
SELECT request_uid FROM requirements WHERE request_uid = ANY ($2::uuid[]) ORDER BY request_uid FOR NO KEY UPDATE

-- name: lock_existing_skip_locked
-- As lock_existing, without waiting: a row that another transaction is changing is left out, and not written.
SELECT request_uid
FROM requirements
WHERE request_uid = ANY ($2::uuid[])
ORDER BY request_uid
FOR NO KEY UPDATE SKIP LOCKED

-- name: find_by_request_uid
-- The requirement of a request_uid.
--   $1  uuid  request_uid
-- The columns are in the order of create_requirements.
SELECT
    id, required_type, required_id, requireable_type, requireable_id, key, value, created_at, updated_at,
    params_digest
FROM requirements
WHERE request_uid = $1;
