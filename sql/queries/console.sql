-- name: record_audit
-- Note who changed what, in the transaction of the change.
INSERT INTO audit (actor, action, details) VALUES ($1, $2, $3);

-- name: list_audit
-- The $2 changes before the id $1, newest first.
SELECT id, actor, action, details, created_at FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2;

-- name: page_notifications
-- The $4 notifications before the id $1, newest first: of one kind where $2 is not null, only unread ones where $3.
SELECT id, kind, message, request_id, count, details, created_at, acknowledged_at
FROM notifications
WHERE id < $1 AND ($2::text IS NULL OR kind = $2) AND (NOT $3::boolean OR acknowledged_at IS NULL)
ORDER BY id DESC
LIMIT $4;

-- name: find_notification
-- One notification.
SELECT id, kind, message, request_id, count, details, created_at, acknowledged_at FROM notifications WHERE id = $1;

-- name: list_notification_kinds
-- The kinds that there are, each found by one step in the index.
WITH RECURSIVE kinds AS (
    SELECT min(kind) AS kind FROM notifications
    UNION ALL
    SELECT (SELECT min(kind) FROM notifications WHERE kind > kinds.kind) FROM kinds WHERE kinds.kind IS NOT NULL
)
SELECT kind FROM kinds WHERE kind IS NOT NULL;

-- name: count_unread_notifications
-- How many notifications nobody has acknowledged; counting ends at $1.
SELECT count(*) FROM (SELECT FROM notifications WHERE acknowledged_at IS NULL LIMIT $1) AS unread;

-- name: acknowledge_one_notification
-- Acknowledge one notification that nobody has acknowledged yet.
UPDATE notifications SET acknowledged_at = now() WHERE id = $1 AND acknowledged_at IS NULL RETURNING id;

-- name: acknowledge_seen_notifications
-- Acknowledge all that are unread up to the id $1, of one kind where $2 is not null: later ones were not seen.
UPDATE notifications
SET acknowledged_at = now()
WHERE acknowledged_at IS NULL AND id <= $1 AND ($2::text IS NULL OR kind = $2)
RETURNING id;

-- name: list_requirements
-- The $2 requirements before the id $1, newest first.
SELECT * FROM requirements WHERE id < $1 ORDER BY id DESC LIMIT $2;

-- name: list_requirements_by_required
-- The $2 requirements before the id $1 that name the thing $3, $4 as required, newest first.
-- Plain equality would let the planner walk the primary key instead, through any number of rows of other things:
-- only the index of these columns has this order. Before PostgreSQL 18, the last page of an end reads on through the
-- index to the end of its type.
SELECT * FROM requirements
WHERE (required_type, required_id, id) < ($3, $4, $1) AND (required_type, required_id) >= ($3, $4)
ORDER BY required_type DESC, required_id DESC, id DESC
LIMIT $2;

-- name: list_requirements_by_requireable
-- The $2 requirements before the id $1 of the thing $3, $4, newest first, as above.
SELECT * FROM requirements
WHERE (requireable_type, requireable_id, id) < ($3, $4, $1) AND (requireable_type, requireable_id) >= ($3, $4)
ORDER BY requireable_type DESC, requireable_id DESC, id DESC
LIMIT $2;

-- name: list_requirements_by_key
-- The $2 requirements before the id $1 that have the key $3, newest first, as above.
SELECT * FROM requirements WHERE (key, id) < ($3, $1) AND key >= $3 ORDER BY key DESC, id DESC LIMIT $2;

-- name: page_applications
-- The $2 applications after the slug $1, and how many live tokens each has.
SELECT
    applications.id, applications.slug, applications.name, applications.active, applications.created_at,
    (
        SELECT count(*) FROM application_tokens
        WHERE application_tokens.application_id = applications.id AND application_tokens.revoked_at IS NULL
    ) AS live_tokens
FROM applications
WHERE applications.slug > $1
ORDER BY applications.slug
LIMIT $2;

-- name: find_application
-- One application.
SELECT id, slug, name, active, created_at, updated_at FROM applications WHERE id = $1;

-- name: list_application_tokens
-- The latest $2 tokens of an application, those alive first.
SELECT id, created_at, revoked_at
FROM application_tokens
WHERE application_id = $1
ORDER BY revoked_at IS NOT NULL, id DESC
LIMIT $2;

-- name: page_sessions
-- The $2 sessions before the id $1, newest first, and when each expires on the database's clock.
SELECT
    sessions.id, users.email, applications.id AS application_id, applications.slug AS application,
    sessions.remember_me, sessions.created_at, sessions.last_used_at, sessions.revoked_at,
    NOT sessions.remember_me AND (
        sessions.created_at < now() - interval '168 hours' OR sessions.last_used_at < now() - interval '72 hours'
    ) AS expired
FROM sessions
INNER JOIN users ON users.id = sessions.user_id
LEFT JOIN applications ON applications.id = sessions.application_id
WHERE sessions.id < $1
ORDER BY sessions.id DESC
LIMIT $2;

-- name: page_sessions_of_user
-- The $2 sessions before the id $1 of the user with the e-mail address $3, newest first.
SELECT
    sessions.id, users.email, applications.id AS application_id, applications.slug AS application,
    sessions.remember_me, sessions.created_at, sessions.last_used_at, sessions.revoked_at,
    NOT sessions.remember_me AND (
        sessions.created_at < now() - interval '168 hours' OR sessions.last_used_at < now() - interval '72 hours'
    ) AS expired
FROM sessions
INNER JOIN users ON users.id = sessions.user_id
LEFT JOIN applications ON applications.id = sessions.application_id
WHERE users.email = $3 AND sessions.id < $1
ORDER BY sessions.id DESC
LIMIT $2;
