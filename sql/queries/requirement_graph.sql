-- name: begin_snapshot
-- Begin a transaction whose statements all see the same rows.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;

-- name: end_snapshot
-- End the transaction, which has written nothing.
ROLLBACK;

-- name: links_to_required
-- The requirements whose requireable is one of the given things, in the order of the things and then of their ids.
--   $1  text[]    types of the things
--   $2  text      ids of the things, an array in PostgreSQL's text form
--   $3  bigint    for the first thing, return rows after this id
--   $4  bigint    maximum number of rows to read
--   $5  boolean   whether requirements with any key match
--   $6  text      the key that they have otherwise; null: none
--   $7  boolean   whether the caller sees all requirements; null counts as false
--   $8  bigint    the user whose requirements the caller sees otherwise
-- Returns every row that is read, so that the caller can count them: place is the number of the thing from 1, type and
-- thing_id are the other end, and matches says if the row counts.
-- The conditions and the order on the id fit only the index on requireable, which is read from the start of the page.
SELECT origin.place, link.id, link.type, link.thing_id, link.matches
FROM unnest($1::text[], $2::text::bigint[]) WITH ORDINALITY AS origin (type, id, place)
CROSS JOIN LATERAL (
    SELECT
        id,
        required_type AS type,
        required_id AS thing_id,
        ($5::boolean OR key IS NOT DISTINCT FROM $6::text) AND ($7::boolean OR user_id = $8::bigint) AS matches
    FROM requirements
    WHERE
        requireable_type = origin.type
        AND (requireable_id, id)
            > (origin.id, CASE origin.place WHEN 1 THEN $3::bigint ELSE '-9223372036854775808'::bigint END)
        AND requireable_id <= origin.id
    ORDER BY requireable_id, id
    LIMIT $4::bigint
) AS link
LIMIT $4::bigint;

-- name: links_to_requireable
-- The requirements whose required is one of the given things. Otherwise as links_to_required.
--   $1  text[]    types of the things
--   $2  text      ids of the things, an array in PostgreSQL's text form
--   $3  bigint    for the first thing, return rows after this id
--   $4  bigint    maximum number of rows to read
--   $5  boolean   whether requirements with any key match
--   $6  text      the key that they have otherwise; null: none
--   $7  boolean   whether the caller sees all requirements; null counts as false
--   $8  bigint    the user whose requirements the caller sees otherwise
SELECT origin.place, link.id, link.type, link.thing_id, link.matches
FROM unnest($1::text[], $2::text::bigint[]) WITH ORDINALITY AS origin (type, id, place)
CROSS JOIN LATERAL (
    SELECT
        id,
        requireable_type AS type,
        requireable_id AS thing_id,
        ($5::boolean OR key IS NOT DISTINCT FROM $6::text) AND ($7::boolean OR user_id = $8::bigint) AS matches
    FROM requirements
    WHERE
        required_type = origin.type
        AND (required_id, id)
            > (origin.id, CASE origin.place WHEN 1 THEN $3::bigint ELSE '-9223372036854775808'::bigint END)
        AND required_id <= origin.id
    ORDER BY required_id, id
    LIMIT $4::bigint
) AS link
LIMIT $4::bigint;

-- name: own_links
-- The requirements that a user created, in the order of their ids.
--   $1  bigint   user_id
--   $2  bigint   maximum number of rows to read
--   $3  boolean  whether requirements with any key match
--   $4  text     the key that they have otherwise; null: none
-- Returns every row that is read; matches says if it counts. The conditions fit only the index on user_id and id.
SELECT
    id, required_type, required_id, requireable_type, requireable_id,
    $3::boolean OR key IS NOT DISTINCT FROM $4::text AS matches
FROM requirements
WHERE (user_id, id) > ($1::bigint, '-9223372036854775808'::bigint) AND user_id <= $1::bigint
ORDER BY user_id, id
LIMIT $2::bigint;

-- name: read_chain
-- Requirements by their ids, those that the caller may see.
--   $1  text      ids, an array in PostgreSQL's text form
--   $2  boolean   whether the caller sees all requirements; null counts as false
--   $3  bigint    the user whose requirements the caller sees otherwise
-- The columns are in the order of create_requirements.
SELECT
    id, required_type, required_id, requireable_type, requireable_id, key, value, created_at, updated_at,
    params_digest
FROM requirements
WHERE id = ANY ($1::text::bigint[]) AND ($2 OR user_id = $3);
