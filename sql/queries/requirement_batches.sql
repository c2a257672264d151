-- name: create_requirement_batch
-- Insert the requirements of one call whose two references exist, and lock the referenced rows against deletion until
-- the transaction ends.
--   $1            bigint   number of the advisory lock of the call
--   $2            text     request_uids, as the next arrays one for each requirement, in PostgreSQL's text form
--   $3            text     types of what is required
--   $4            text     ids of what is required
--   $5            text     types of what requires it
--   $6            text     ids of what requires it
--   $7            text     keys
--   $8            text     values
--   $9            bigint   application_id of the caller
--   $10           bigint   user_id of the caller
--   $11           bigint   session_id of the caller
--   $12           text     request id
--   $13           bytea    params digest; null without an Idempotency-Key
--   $14           boolean  whether one missing reference prevents all
--   $15           text[]   recipients of the e-mail that is queued for each new row; null: no e-mail
--   {references}  the block lock_references, once per association type in $3 and $5
-- Returns one row: request_uids and ids of the inserted rows, their times, and for each requirement whose references do
-- not exist both its request_uid and whether each reference exists. The lists of request_uids are separated by spaces.
-- Another attempt at the same call waits for the advisory lock. The unique request_uid makes this statement fail if such
-- an attempt, or a single call with the same key, has written a row meanwhile.
-- The dispatcher sends the e-mails: no call has leased them.
-- No join is used: it would be planned once, possibly for fewer rows.
WITH turn AS MATERIALIZED (
    SELECT pg_advisory_xact_lock($1::bigint)
),
accepted AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $2::text::uuid[], $3::text::text[], $4::text::bigint[], $5::text::text[], $6::text::bigint[], $7::text::text[],
        $8::text::text[]
    ) WITH ORDINALITY AS input (
        request_uid, required_type, required_id, requireable_type, requireable_id, key, value, place
    )
    WHERE EXISTS (SELECT FROM turn)
),
locked (type, id) AS MATERIALIZED (
    {references}
),
checked AS MATERIALIZED (
    SELECT
        *,
        (required_type, required_id) IN (SELECT type, id FROM locked) AS required_exists,
        (requireable_type, requireable_id) IN (SELECT type, id FROM locked) AS requireable_exists
    FROM accepted
),
refused AS MATERIALIZED (
    SELECT request_uid, required_exists, requireable_exists
    FROM checked
    WHERE NOT (required_exists AND requireable_exists)
),
inserted AS (
    INSERT INTO requirements (
        request_uid, required_type, required_id, requireable_type, requireable_id, key, value,
        application_id, user_id, session_id, request_id, params_digest
    )
    SELECT
        request_uid, required_type, required_id, requireable_type, requireable_id, key, value,
        $9::bigint, $10::bigint, $11::bigint, $12::text, $13::bytea
    FROM checked
    WHERE required_exists AND requireable_exists AND NOT ($14::boolean AND EXISTS (SELECT FROM refused))
    ORDER BY place
    RETURNING requirements.request_uid, requirements.id, requirements.created_at, requirements.updated_at
),
queued_emails AS (
    INSERT INTO emails (requirement_id, recipients)
    SELECT id, $15::text[]
    FROM inserted
    WHERE $15::text[] IS NOT NULL
)
SELECT written.*, missing.*
FROM
    (
        SELECT string_agg(request_uid::text, ' '), array_agg(id), min(created_at), min(updated_at)
        FROM inserted
    ) AS written (request_uids, ids, created_at, updated_at),
    (
        SELECT string_agg(request_uid::text, ' '), array_agg(required_exists), array_agg(requireable_exists)
        FROM refused
    ) AS missing (refused_uids, required_exist, requireable_exist);

-- name: destroy_requirement_batch
-- Delete the requirements of one call that the caller may see, and record it.
--   $1          bigint    number of the advisory lock of the call
--   $2          bigint[]  ids, in ascending order
--   $3          uuid[]    request_uids, one for each id
--   $4          boolean   whether the caller sees all requirements; null counts as false
--   $5          bigint    the user whose requirements the caller sees otherwise
--   $6          bigint    application_id of the caller
--   $7          bigint    user_id of the caller
--   $8          bigint    session_id of the caller
--   $9          text      request id
--   $10         bytea     params digest; null without an Idempotency-Key
--   $11         boolean   whether one id that is not found prevents all
--   {creation}  the block record_creation
-- Returns the requirements that were found, as they were, and whether each was deleted.
-- Rows are locked in the order of their ids, so that concurrent statements cannot deadlock. width_bucket finds the place
-- of an id by binary search.
WITH turn AS MATERIALIZED (
    SELECT pg_advisory_xact_lock($1::bigint)
),
target AS MATERIALIZED (
    SELECT *
    FROM requirements
    WHERE id = ANY ($2::bigint[]) AND ($4::boolean OR user_id = $5::bigint) AND EXISTS (SELECT FROM turn)
    ORDER BY id
    FOR UPDATE
),
changed AS (
    DELETE FROM requirements
    WHERE
        id = ANY (ARRAY(SELECT id FROM target))
        AND (NOT $11::boolean OR (SELECT count(*) FROM target) = cardinality($2::bigint[]))
    RETURNING requirements.*
),
{creation},
change AS (
    INSERT INTO changes (
        transaction_id, change, requirement_id, required_type, required_id, requireable_type, requireable_id, key, value,
        created_at, updated_at, owner_user_id, application_id, user_id, session_id, request_id, request_uid,
        params_digest
    )
    SELECT
        change_transaction_id(transaction_id), 'destroyed', id, required_type, required_id, requireable_type, requireable_id, key, value, created_at,
        updated_at, user_id, $6::bigint, $7::bigint, $8::bigint, $9::text,
        ($3::uuid[])[width_bucket(id, $2::bigint[])], $10::bytea
    FROM changed
)
SELECT
    id, required_type, required_id, requireable_type, requireable_id, key, value, created_at, updated_at,
    params_digest, id IN (SELECT changed.id FROM changed) AS destroyed
FROM target;

-- name: take_turns
-- Wait for other transactions that hold one of these advisory locks, until this transaction ends.
--   $1  text  numbers of the locks, an array in PostgreSQL's text form
SELECT pg_advisory_xact_lock(number) FROM unnest($1::text::bigint[]) AS number;

-- name: hold_created_by_call
-- The requirements that earlier attempts of a call, or earlier calls with its key, have created and that still exist.
--   $1  uuid  first request_uid of the call
--   $2  uuid  last request_uid of the call
-- They are locked against deletion. The update changes nothing, but it writes WAL, so that the answer waits for a
-- synchronous standby.
WITH held AS MATERIALIZED (
    SELECT id FROM requirements WHERE request_uid BETWEEN $1 AND $2 ORDER BY id FOR NO KEY UPDATE
)
UPDATE requirements
SET params_digest = params_digest
WHERE id = ANY (ARRAY(SELECT id FROM held))
RETURNING
    request_uid::text, 'created' AS change, id, required_type, required_id, requireable_type, requireable_id, key,
    value, created_at, updated_at, params_digest;

-- name: changed_by_call
-- The changes that earlier attempts of a call, or earlier calls with its key, have made, each with the requirement after
-- it; if it was destroyed, before. A creation is among them once the requirement was changed.
--   $1  uuid  first request_uid of the call
--   $2  uuid  last request_uid of the call
-- If there are any, an empty message is written to the WAL, so that the answer waits for a synchronous standby.
WITH found AS MATERIALIZED (
    SELECT
        request_uid::text, change, requirement_id AS id, required_type, required_id, requireable_type, requireable_id,
        key, value, created_at, updated_at, params_digest
    FROM changes
    WHERE request_uid BETWEEN $1 AND $2
),
written AS MATERIALIZED (
    SELECT pg_logical_emit_message(true, 'requirements', '') FROM found LIMIT 1
)
SELECT found.* FROM found, written;
