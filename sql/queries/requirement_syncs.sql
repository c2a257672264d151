-- name: requirements_of
-- The requirements of one thing that the caller may see, locked in the order of their ids.
--   $1  text     type of the thing that requires them
--   $2  bigint   its id
--   $3  boolean  whether the caller sees all requirements; null counts as false
--   $4  bigint   the user whose requirements the caller sees otherwise
--   $5  text[]   only those with one of these keys; null: all
--   $6  boolean  whether those without a key are among them, if $5 is not null
--   $7  bigint   maximum number of rows; null: all
SELECT
    id, required_type, required_id, requireable_type, requireable_id, key, value, created_at, updated_at,
    params_digest
FROM requirements
WHERE
    requireable_type = $1
    AND requireable_id = $2
    AND ($3 OR user_id = $4)
    AND ($5::text[] IS NULL OR key = ANY ($5::text[]) OR ($6 AND key IS NULL))
ORDER BY id
LIMIT $7
FOR UPDATE;

-- name: check_references
-- Which references of requirements do not exist. The referenced rows are locked as by create_requirement_batch.
--   $1            text[]    types of what is required, as the next arrays one for each requirement
--   $2            bigint[]  ids of what is required
--   $3            text[]    types of what requires it
--   $4            bigint[]  ids of what requires it
--   {references}  the block lock_references, once per association type in $1 and $3
-- Returns the places of the requirements with a missing reference, counted from 1.
WITH accepted AS MATERIALIZED (
    SELECT *
    FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[])
        WITH ORDINALITY AS input (required_type, required_id, requireable_type, requireable_id, place)
),
locked (type, id) AS MATERIALIZED (
    {references}
),
checked AS MATERIALIZED (
    SELECT
        place,
        (required_type, required_id) IN (SELECT type, id FROM locked) AS required_exists,
        (requireable_type, requireable_id) IN (SELECT type, id FROM locked) AS requireable_exists
    FROM accepted
)
SELECT place, required_exists, requireable_exists FROM checked WHERE NOT (required_exists AND requireable_exists);

-- name: update_requirement_batch
-- Set the values of requirements, which this transaction has locked, and record it.
--   $1          bigint[]  ids, in ascending order
--   $2          text[]    the new values, one for each id
--   $3          uuid[]    request_uids, one for each id
--   $4          bigint    application_id of the caller
--   $5          bigint    user_id of the caller
--   $6          bigint    session_id of the caller
--   $7          text      request id
--   $8          bytea     params digest; null without an Idempotency-Key
--   {creation}  the block record_creation
-- Returns the requirements as they are now.
WITH target AS MATERIALIZED (
    SELECT * FROM requirements WHERE id = ANY ($1::bigint[])
),
changed AS (
    UPDATE requirements
    SET
        value = ($2::text[])[width_bucket(id, $1::bigint[])],
        updated_at = next_updated_at(updated_at),
        transaction_id = change_transaction_id(transaction_id),
        change_id = NULL
    WHERE id = ANY ($1::bigint[])
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
        change_transaction_id(transaction_id), 'updated', id, required_type, required_id, requireable_type, requireable_id, key, value, created_at,
        updated_at, user_id, $4::bigint, $5::bigint, $6::bigint, $7::text,
        ($3::uuid[])[width_bucket(id, $1::bigint[])], $8::bytea
    FROM changed
)
SELECT
    id, required_type, required_id, requireable_type, requireable_id, key, value, created_at, updated_at,
    params_digest
FROM changed;
