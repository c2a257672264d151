-- name: update_requirement
-- Change the key or the value of one requirement, if the token is valid and the caller may see the requirement.
--   $1                bytea        token digest
--   $2                bigint       id
--   $3                uuid         request_uid of the call
--   $4                boolean      whether this request_uid may exist already: of a keyed call or of a retry
--   $5                bytea        params digest; null without an Idempotency-Key
--   $6                text         request id
--   $7                timestamptz  the updated_at that the requirement must have; null: any
--   $8                boolean      whether clients see all requirements; null counts as false
--   $9                boolean      whether the key is changed
--   $10               text         the new key
--   $11               boolean      whether the value is changed
--   $12               text         the new value
--   {token_verdicts}  the block of that name, or operator_as_caller
--   {target}          the block target_requirement, and in it locked_requirement, which locks the requirement
--   {transaction}     the transaction_id of the change; where requirements is distributed, that of the change before
--   {creation}        the block record_creation
--   {change}          the block record_change
--   {result}          the block change_result
-- The changes of one requirement take turns by its row lock. A repeated call finds its change in the table changes; if
-- both run at once, the unique request_uid makes the second one fail, so that it is attempted again.
WITH input (token_digest) AS (
    SELECT $1::bytea
),
callers AS MATERIALIZED (
    {token_verdicts}
),
{target},
changed AS (
    UPDATE requirements
    SET
        key = CASE WHEN $9::boolean THEN $10::text ELSE target.key END,
        value = CASE WHEN $11::boolean THEN $12::text ELSE target.value END,
        updated_at = target.next_updated_at,
        transaction_id = {transaction},
        change_id = NULL
    FROM target
    WHERE
        requirements.id = target.id
        AND target.is_current
        AND (
            ($9::boolean AND target.key IS DISTINCT FROM $10::text)
            OR ($11::boolean AND target.value IS DISTINCT FROM $12::text)
        )
    RETURNING requirements.*
),
{creation},
{change}
{result};

-- name: destroy_requirement
-- Delete one requirement, if the token is valid and the caller may see the requirement.
--   $1                bytea        token digest
--   $2                bigint       id
--   $3                uuid         request_uid of the call
--   $4                boolean      whether this request_uid may exist already: of a keyed call or of a retry
--   $5                bytea        params digest; null without an Idempotency-Key
--   $6                text         request id
--   $7                timestamptz  the updated_at that the requirement must have; null: any
--   $8                boolean      whether clients see all requirements; null counts as false
--   {token_verdicts}  the block of that name, or operator_as_caller
--   {target}          the block target_requirement, and in it locked_requirement, which locks the requirement
--   {creation}        the block record_creation
--   {change}          the block record_change
--   {result}          the block change_result
WITH input (token_digest) AS (
    SELECT $1::bytea
),
callers AS MATERIALIZED (
    {token_verdicts}
),
{target},
changed AS (
    DELETE FROM requirements
    USING target
    WHERE requirements.id = target.id AND target.is_current
    RETURNING requirements.*
),
{creation},
{change}
{result};

-- name: target_requirement
-- A part of update_requirement and destroy_requirement: what an earlier attempt of the call has changed, or else the
-- requirement, locked. Only rows that the caller may see are locked.
--   {locked}  locked_requirement, or its form for distributed requirements
-- A time beyond the years 1 to 9999 was shown as their first or last microsecond, and is compared as such.
-- If there is an earlier attempt, an empty message is written to the WAL, so that the answer waits for a synchronous
-- standby: the commit of the earlier attempt may not have reached it.
found_earlier AS MATERIALIZED (
    SELECT
        requirement_id AS id, required_type, required_id, requireable_type, requireable_id, key, value, created_at,
        updated_at, params_digest
    FROM changes
    WHERE $4::boolean AND request_uid = $3::uuid
    UNION ALL
    SELECT
        id, required_type, required_id, requireable_type, requireable_id, key, value, created_at, updated_at,
        params_digest
    FROM requirements
    WHERE $4::boolean AND request_uid = $3::uuid
    LIMIT 1
),
written AS MATERIALIZED (
    SELECT pg_logical_emit_message(true, 'requirements', '') FROM found_earlier
),
earlier AS MATERIALIZED (
    SELECT found_earlier.* FROM found_earlier, written
),
target AS MATERIALIZED (
    SELECT
        requirements.*,
        $7::timestamptz IS NULL
        OR greatest(
            least(requirements.updated_at, '9999-12-31 23:59:59.999999+00'), '0001-01-01 00:00:00+00'
        ) = $7::timestamptz AS is_current,
        next_updated_at(requirements.updated_at) AS next_updated_at
    FROM {locked}
)

-- name: locked_requirement
-- A part of target_requirement: the requirement, if the caller may see it.
--   {lock}  FOR NO KEY UPDATE or FOR UPDATE, with or without SKIP LOCKED
requirements
    WHERE
        id = $2::bigint
        AND EXISTS (
            SELECT FROM callers
            WHERE refusal IS NULL AND (sees_all OR $8::boolean OR callers.user_id = requirements.user_id)
        )
        AND NOT EXISTS (SELECT FROM earlier)
    {lock}

-- name: locked_requirement_distributed
-- As locked_requirement, where requirements is distributed: deploy/citus has the function.
--   {wait}  whether to wait for concurrent changes
callers
    CROSS JOIN LATERAL lock_requirement(
        $2::bigint, callers.sees_all OR $8::boolean, callers.user_id, {wait}
    ) AS requirements
    WHERE callers.refusal IS NULL AND NOT EXISTS (SELECT FROM earlier)

-- name: record_creation
-- A part of a statement that changes requirements: move the change "created" of the rows in `target` that are in
-- `changed` to the table changes.
creation AS (
    INSERT INTO changes (
        id, transaction_id, change, requirement_id, required_type, required_id, requireable_type, requireable_id, key,
        value, created_at, updated_at, owner_user_id, application_id, user_id, session_id, request_id, request_uid,
        params_digest, changed_at
    )
    SELECT
        change_id, transaction_id, 'created', id, required_type, required_id, requireable_type, requireable_id, key,
        value, created_at, updated_at, user_id, application_id, user_id, session_id, request_id,
        -- Other software may have inserted a requirement again under the request_uid it had before.
        CASE
            WHEN NOT EXISTS (SELECT FROM changes WHERE changes.request_uid = target.request_uid) THEN request_uid
        END,
        params_digest, created_at
    FROM target
    -- IS TRUE keeps IN from being planned as a join: that would compare each row with each of a batch.
    WHERE
        change_id IS NOT NULL AND transaction_id IS NOT NULL AND (id IN (SELECT changed.id FROM changed)) IS TRUE
    -- Other software may have inserted rows with all their columns, from a copy of the table.
    ON CONFLICT (id) DO NOTHING
)

-- name: record_change
-- A part of update_requirement and destroy_requirement: the change itself, with its caller.
--   {kind}  the change, as a literal
change AS (
    INSERT INTO changes (
        transaction_id, change, requirement_id, required_type, required_id, requireable_type, requireable_id, key,
        value, created_at, updated_at, owner_user_id, application_id, user_id, session_id, request_id, request_uid,
        params_digest
    )
    SELECT
        change_transaction_id(changed.transaction_id), {kind}, changed.id, required_type, required_id,
        requireable_type, requireable_id, key, value, created_at, updated_at, changed.user_id, callers.application_id,
        callers.user_id, callers.session_id, $6::text, $3::uuid, $5::bytea
    FROM changed
    CROSS JOIN callers
)

-- name: change_result
-- The end of update_requirement and destroy_requirement: the verdict on the token, the requirement, and what became of
-- the change.
-- `found` is whether the requirement was locked, `is_current` whether it has the updated_at of $7, `changed` whether
-- this statement changed it, `repeated` whether an earlier attempt or an earlier call with the same key has.
, requirement AS (
    SELECT
        id, required_type, required_id, requireable_type, requireable_id, key, value, created_at, updated_at,
        params_digest
    FROM changed
    UNION ALL
    SELECT
        id, required_type, required_id, requireable_type, requireable_id, key, value, created_at, updated_at,
        params_digest
    FROM target
    WHERE is_current AND NOT EXISTS (SELECT FROM changed)
    UNION ALL
    SELECT * FROM earlier
)
SELECT
    callers.*,
    requirement.id,
    requirement.required_type,
    requirement.required_id,
    requirement.requireable_type,
    requirement.requireable_id,
    requirement.key,
    requirement.value,
    requirement.created_at,
    requirement.updated_at,
    requirement.params_digest,
    EXISTS (SELECT FROM target) AS found,
    coalesce((SELECT target.is_current FROM target), true) AS is_current,
    EXISTS (SELECT FROM changed) AS changed,
    EXISTS (SELECT FROM earlier) AS repeated
FROM callers
LEFT JOIN requirement ON callers.refusal IS NULL

-- name: operator_as_caller
-- A part of update_requirement and destroy_requirement, in place of token_verdicts: an operator, who needs no token and
-- sees all requirements. The audit has the name of the operator.
SELECT
    input.*,
    NULL::text AS refusal,
    true AS sees_all,
    NULL::bigint AS application_id,
    NULL::bigint AS session_id,
    NULL::bigint AS user_id
FROM input
