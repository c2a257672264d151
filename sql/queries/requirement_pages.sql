-- name: list_requirements
-- A page of all requirements, newest first.
--   $1  bigint  return rows before this id
--   $2  bigint  maximum number of rows
SELECT * FROM requirements WHERE id < $1 ORDER BY id DESC LIMIT $2;

-- name: list_requirements_by_required
-- A page of the requirements with one required reference, newest first.
--   $1  bigint  return rows before this id
--   $2  bigint  maximum number of rows
--   $3  text    required_type
--   $4  bigint  required_id
-- With equality conditions the planner could walk the primary key instead, and filter any number of other rows. The row
-- comparison and this order fit only the index on these columns. Before PostgreSQL 18, the last page of a reference
-- reads the index on to the end of its type.
SELECT * FROM requirements
WHERE (required_type, required_id, id) < ($3, $4, $1) AND (required_type, required_id) >= ($3, $4)
ORDER BY required_type DESC, required_id DESC, id DESC
LIMIT $2;

-- name: list_requirements_by_requireable
-- A page of the requirements with one requireable reference, newest first.
--   $1  bigint  return rows before this id
--   $2  bigint  maximum number of rows
--   $3  text    requireable_type
--   $4  bigint  requireable_id
-- The conditions have the form of list_requirements_by_required, for the same reason.
SELECT * FROM requirements
WHERE (requireable_type, requireable_id, id) < ($3, $4, $1) AND (requireable_type, requireable_id) >= ($3, $4)
ORDER BY requireable_type DESC, requireable_id DESC, id DESC
LIMIT $2;

-- name: list_requirements_by_key
-- A page of the requirements with one key, newest first.
--   $1  bigint  return rows before this id
--   $2  bigint  maximum number of rows
--   $3  text    key
-- The conditions have the form of list_requirements_by_required, for the same reason.
SELECT * FROM requirements WHERE (key, id) < ($3, $1) AND key >= $3 ORDER BY key DESC, id DESC LIMIT $2;
