-- name: count_notification
-- Add to the count of a notification, or create it.
--   $1  text    kind
--   $2  text    cause
--   $3  text    message
--   $4  bigint  number to add
--   $5  text    request_id, or null
--   $6  jsonb   details
-- The count is added to the row of the same kind and cause that is less than a minute old, if there is one. That row
-- becomes unread again if it was acknowledged.
WITH slot AS (
    INSERT INTO notification_windows AS known (kind, cause)
    VALUES ($1, $2)
    ON CONFLICT (kind, cause) DO UPDATE
    SET opened_at = CASE
        WHEN known.opened_at > excluded.opened_at - interval '1 minute' THEN known.opened_at
        ELSE excluded.opened_at
    END
    RETURNING opened_at
)
INSERT INTO notifications AS known (kind, cause, created_at, count, message, request_id, details)
SELECT $1, $2, opened_at, $4, $3, $5, $6::jsonb FROM slot
ON CONFLICT (kind, cause, created_at) DO UPDATE
SET count = known.count + excluded.count, acknowledged_at = NULL
RETURNING id;

-- name: list_notifications
-- A page of notifications, newest first.
--   $1  bigint   return rows before this id
--   $2  text     only this kind; null: all kinds
--   $3  boolean  only unread notifications
--   $4  bigint   maximum number of rows
SELECT id, kind, message, request_id, count, details, created_at, acknowledged_at
FROM notifications
WHERE id < $1 AND ($2::text IS NULL OR kind = $2) AND (NOT $3::boolean OR acknowledged_at IS NULL)
ORDER BY id DESC
LIMIT $4;

-- name: find_notification
-- One notification.
--   $1  bigint  id
SELECT id, kind, message, request_id, count, details, created_at, acknowledged_at FROM notifications WHERE id = $1;

-- name: list_notification_kinds
-- The distinct kinds of notifications, in alphabetical order.
-- The recursion reads one index entry per kind. SELECT DISTINCT would read every row.
WITH RECURSIVE kinds AS (
    SELECT min(kind) AS kind FROM notifications
    UNION ALL
    SELECT (SELECT min(kind) FROM notifications WHERE kind > kinds.kind) FROM kinds WHERE kinds.kind IS NOT NULL
)
SELECT kind FROM kinds WHERE kind IS NOT NULL;

-- name: count_unread_notifications
-- Count unread notifications.
--   $1  bigint  stop counting at this number
SELECT count(*) FROM (SELECT FROM notifications WHERE acknowledged_at IS NULL LIMIT $1) AS unread;

-- name: acknowledge_notifications
-- Acknowledge notifications. Those already acknowledged keep their time.
--   $1  bigint[]  ids
UPDATE notifications SET acknowledged_at = now() WHERE id = ANY ($1) AND acknowledged_at IS NULL RETURNING id;

-- name: acknowledge_all_notifications
-- Acknowledge every unread notification up to an id.
--   $1  bigint  the last id: the newest one that the operator has seen
--   $2  text    only this kind; null: all kinds
UPDATE notifications
SET acknowledged_at = now()
WHERE acknowledged_at IS NULL AND id <= $1 AND ($2::text IS NULL OR kind = $2)
RETURNING id;
