-- name: count_notification
-- Count $4 more of the kind $1 and the cause $2: in the notification made for them less than a minute ago, else in a
-- new one. One that was acknowledged is unread again: nobody has seen these.
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
-- The latest $3 notifications: all or, with $1, the unread ones; only those of the kind $2 where it is not null.
SELECT id, kind, message, request_id, count, details, created_at, acknowledged_at
FROM notifications
WHERE (NOT $1 OR acknowledged_at IS NULL) AND ($2::text IS NULL OR kind = $2)
ORDER BY id DESC
LIMIT $3;

-- name: acknowledge_notifications
-- Mark the notifications $1 as read, or all where it is null; those that are keep their time.
UPDATE notifications
SET acknowledged_at = now()
WHERE ($1::bigint[] IS NULL OR id = ANY ($1)) AND acknowledged_at IS NULL
RETURNING id;
