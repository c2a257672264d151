-- name: create_requirements
-- Insert requirements whose token is valid and whose two references exist, and lock the referenced rows against
-- deletion until the transaction ends.
--   $1                json       the requirements, an array of objects
--   $2                text       those of their request_uids that may exist already, of keyed calls and of retries: an
--                                array in PostgreSQL's text form
--   $3                text[]     recipients of the e-mail that is queued for each new row; null: no e-mail
--   $4                interval   how long the queued e-mail is leased to this call
--   {token_verdicts}      the block of that name
--   {locked}              the block locked_references; empty in the form that does not wait
--   {visible}             find_existing, or its form for distributed requirements
--   {existing}            lock_existing, or its form that does not wait, or that for distributed requirements
--   {required_exists}     reference_exists, or its form that does not wait, for the required
--   {requireable_exists}  the same for the requireable
-- Returns one row per input row: the verdict on the token, the requirement if one was inserted or existed, and whether
-- each reference was locked; null if it was there, but gone once its lock was free. A rejected caller's row locks and
-- inserts nothing.
-- A row that already holds the request_uid wins over every later check and is returned as it is. The update on conflict
-- changes nothing, but it writes WAL, so that the answer waits for a synchronous standby like an insert.
-- A request_uid in the table changes belongs to a requirement that was destroyed, or to another action: nothing is
-- inserted for it.
-- Rows are inserted in the order of their request_uid, so that concurrent statements cannot deadlock.
-- Caller accepted and both references locked, but no row returned: a concurrent transaction holds or has just deleted
-- this request_uid. Retry the row alone, waiting.
-- The plan is made once, possibly while the tables are empty: no join here may be planned as a scan of a table.
WITH input AS (
    SELECT *
    FROM json_to_recordset($1::json) AS input (
        request_uid uuid, token_digest bytea, required_type text, required_id bigint, requireable_type text,
        requireable_id bigint, key text, value text, params_digest bytea, request_id text
    )
),
callers AS MATERIALIZED (
    {token_verdicts}
),
{locked}
checked AS MATERIALIZED (
    SELECT
        callers.*,
        {required_exists} AS required_exists,
        {requireable_exists} AS requireable_exists
    FROM callers
),
visible AS MATERIALIZED (
    {visible}
),
existing AS MATERIALIZED (
    {existing}
),
recorded AS MATERIALIZED (
    SELECT request_uid FROM changes WHERE request_uid = ANY ($2::text::uuid[])
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
LEFT JOIN queued_emails ON queued_emails.requirement_id = inserted.id;

-- name: create_new_requirements
-- As create_requirements, where none of the requirements can have been written before, none has an Idempotency-Key, no
-- e-mail is queued, and no records of the caller are asked for.
--   $1                    json  the requirements, an array of objects
--   {refusal}             the block token_refusal
--   {records}             the block token_records, with user_in_short
--   {required_exists}     reference_exists_skip_locked, for the required
--   {requireable_exists}  the same for the requireable
-- Returns one row per input row: its place in $1, the verdict on the token with the session, the id and the times of the
-- requirement if one was inserted, and whether each reference was locked. What the caller has sent is not sent back.
-- The statement fails if a request_uid exists. Nothing is inserted for a row that another transaction has locked.
-- Rows are inserted in the order of their request_uid, so that concurrent statements cannot deadlock.
-- The join is a full join, although every row of its right side has a row on its left side: a full join cannot be
-- planned as a nested loop, which would compare each row with each.
WITH input AS (
    SELECT *
    FROM ROWS FROM (
        json_to_recordset($1::json) AS (
            request_uid uuid, token_digest bytea, required_type text, required_id bigint, requireable_type text,
            requireable_id bigint, key text, value text, request_id text
        )
    ) WITH ORDINALITY AS input (
        request_uid, token_digest, required_type, required_id, requireable_type, requireable_id, key, value, request_id,
        place
    )
),
checked AS MATERIALIZED (
    SELECT
        callers.*,
        {required_exists} AS required_exists,
        {requireable_exists} AS requireable_exists
    FROM (
        SELECT
            input.place, input.request_uid, input.required_type, input.required_id, input.requireable_type,
            input.requireable_id, input.key, input.value, input.request_id,
            {refusal} AS refusal,
            applications.id AS application_id,
            sessions.id AS session_id,
            sessions.user_id,
            sessions.remember_me,
            sessions.created_at AS session_created_at,
            sessions.last_used_at,
            limits.expires_at
        FROM input
        {records}
        -- Keeps the planner from evaluating these expressions once per reference.
        OFFSET 0
    ) AS callers
),
inserted AS (
    INSERT INTO requirements (
        request_uid, required_type, required_id, requireable_type, requireable_id, key, value, application_id, user_id,
        session_id, request_id
    )
    SELECT
        request_uid, required_type, required_id, requireable_type, requireable_id, key, value, application_id, user_id,
        session_id, request_id
    FROM checked
    WHERE required_exists AND requireable_exists
    ORDER BY request_uid
    RETURNING requirements.request_uid, requirements.id, requirements.created_at, requirements.updated_at
)
SELECT
    checked.place,
    now() AS now,
    checked.refusal,
    checked.session_id,
    checked.user_id,
    checked.remember_me,
    checked.session_created_at,
    checked.last_used_at,
    checked.expires_at,
    checked.application_id,
    inserted.id,
    inserted.created_at,
    inserted.updated_at,
    checked.required_exists,
    checked.requireable_exists
FROM checked
FULL JOIN inserted ON inserted.request_uid = checked.request_uid;

-- name: locked_references
-- A part of create_requirements: the referenced rows that were locked.
--   {references}  lock_references, once per association type in $1
accepted AS MATERIALIZED (
    SELECT * FROM callers WHERE refusal IS NULL
),
locked (type, id) AS MATERIALIZED (
    {references}
),

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

-- name: reference_exists
-- A part of create_requirements: whether one of the two references was locked; null if the row is there in the snapshot
-- of the statement, but was deleted while the statement waited. It may have been inserted again, which only a later
-- snapshot shows.
--   {side}  required or requireable
--   {seen}  reference_seen, once per association type
CASE
    WHEN ({side}_type, {side}_id) IN (SELECT type, id FROM locked) THEN true
    WHEN {seen} THEN NULL
    ELSE false
END

-- name: reference_seen
-- A part of reference_exists: whether the reference is of this type and its row is there, locked or not.
--   {side}   required or requireable
--   {type}   the association type, as a literal
--   {table}  its table, as a quoted identifier
({side}_type = {type} AND EXISTS (SELECT FROM {table} AS referenced WHERE referenced.id = callers.{side}_id))

-- name: reference_exists_skip_locked
-- As reference_exists, for an accepted caller: lock the row, if it is there and no other transaction has locked it.
--   {side}  required or requireable
--   {lock}  lock_reference_skip_locked, once per association type
CASE
    WHEN callers.refusal IS NULL THEN coalesce(CASE callers.{side}_type {lock} END, false)
    ELSE false
END

-- name: lock_reference_skip_locked
-- A part of reference_exists_skip_locked. It never waits, so the order of the locks does not matter.
--   {side}   required or requireable
--   {type}   the association type, as a literal
--   {table}  its table, as a quoted identifier
WHEN {type} THEN (SELECT true FROM {table} AS referenced WHERE referenced.id = callers.{side}_id FOR KEY SHARE SKIP LOCKED)

-- name: find_existing
-- A part of create_requirements: those of the request_uids $2 that requirements hold.
SELECT request_uid FROM requirements WHERE request_uid = ANY ($2::text::uuid[])

-- name: find_existing_distributed
-- As find_existing, where requirements is distributed: deploy/citus has the function.
-- Those in the table changes are among them: the statement has no snapshot that sees both tables at one time.
SELECT request_uid FROM find_request_uids($2::text::uuid[]) AS found (request_uid)

-- name: lock_existing
-- A part of create_requirements: lock the requirements that hold one of the request_uids $2, waiting for concurrent
-- changes.
SELECT request_uid FROM requirements WHERE request_uid = ANY ($2::text::uuid[]) ORDER BY request_uid FOR NO KEY UPDATE

-- name: lock_existing_skip_locked
-- As lock_existing, without waiting: a row that another transaction is changing is left out, and not written.
SELECT request_uid
FROM requirements
WHERE request_uid = ANY ($2::text::uuid[])
ORDER BY request_uid
FOR NO KEY UPDATE SKIP LOCKED

-- name: lock_existing_distributed
-- As lock_existing, where requirements is distributed: deploy/citus has the function.
--   {wait}  whether to wait for concurrent changes
SELECT request_uid FROM lock_request_uids($2::text::uuid[], {wait}) AS locked (request_uid)

-- name: find_locked_tables
-- Those of the tables whose rows create_requirements cannot lock now, because another transaction holds a lock on the
-- table or waits for one.
--   $1  text[]  tables, as quoted identifiers
-- Their partitions, children and indexes count. Reading pg_locks waits for none of these locks.
WITH RECURSIVE part (name, oid) AS (
    SELECT name, to_regclass(name)::oid FROM unnest($1::text[]) AS asked (name)
    UNION
    SELECT part.name, pg_inherits.inhrelid FROM pg_inherits JOIN part ON pg_inherits.inhparent = part.oid
),
relation (name, oid) AS (
    SELECT name, oid FROM part
    UNION ALL
    SELECT part.name, pg_index.indexrelid FROM pg_index JOIN part ON pg_index.indrelid = part.oid
)
SELECT DISTINCT relation.name
FROM pg_locks
JOIN relation ON relation.oid = pg_locks.relation
WHERE
    pg_locks.locktype = 'relation'
    AND pg_locks.mode IN ('ExclusiveLock', 'AccessExclusiveLock')
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- name: find_by_request_uid
-- The requirement of a request_uid. If it was destroyed, as the call with this request_uid left it.
--   $1  uuid  request_uid
-- The columns are in the order of create_requirements.
-- If there is one, an empty message is written to the WAL, so that the answer waits for a synchronous standby.
WITH found AS MATERIALIZED (
    SELECT
        id, required_type, required_id, requireable_type, requireable_id, key, value, created_at, updated_at,
        params_digest
    FROM requirements
    WHERE request_uid = $1
    UNION ALL
    SELECT
        requirement_id, required_type, required_id, requireable_type, requireable_id, key, value, created_at,
        updated_at, params_digest
    FROM changes
    WHERE request_uid = $1
    LIMIT 1
),
written AS MATERIALIZED (
    SELECT pg_logical_emit_message(true, 'requirements', '') FROM found
)
SELECT found.* FROM found, written;

-- name: read_requirement
-- One requirement, if the caller may see it.
--   $1  bigint   id
--   $2  boolean  whether the caller sees all requirements; null counts as false
--   $3  bigint   the user whose requirements the caller sees otherwise
-- The columns are in the order of create_requirements.
SELECT
    id, required_type, required_id, requireable_type, requireable_id, key, value, created_at, updated_at,
    params_digest
FROM requirements
WHERE id = $1 AND ($2 OR user_id = $3);
