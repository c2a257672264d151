-- name: find_requirements
-- Requirements by their ids, with all columns, for an operator, who may see all.
--   $1  text  ids, an array in PostgreSQL's text form
SELECT * FROM requirements WHERE id = ANY ($1::text::bigint[]);

-- name: list_changes_of_requirement
-- The latest changes of one requirement, the latest first, for an operator, who may see all.
--   $1  bigint  requirement id
--   $2  bigint  maximum number of rows
-- A requirement that was not changed since its creation is its own change "created".
SELECT change, key, value, application_id, user_id, session_id, request_id, changed_at
FROM (
    SELECT id, change, key, value, application_id, user_id, session_id, request_id, changed_at
    FROM changes
    WHERE requirement_id = $1
    UNION ALL
    SELECT
        change_id AS id, 'created' AS change, key, value, application_id, user_id, session_id, request_id,
        created_at AS changed_at
    FROM requirements
    WHERE id = $1 AND change_id IS NOT NULL
) AS event
ORDER BY id DESC
LIMIT $2;
