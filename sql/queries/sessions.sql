-- name: create_session
-- Open a session of a user. Returns no row if the user does not exist, or if the application is given and does not.
--   $1  text     e-mail address of the user
--   $2  text     slug of the application that the session is opened in, or null
--   $3  bytea    token digest
--   $4  boolean  remember_me: the session never expires
INSERT INTO sessions (user_id, application_id, token_digest, remember_me)
SELECT users.id, applications.id, $3, $4
FROM users
LEFT JOIN applications ON applications.slug = $2
WHERE users.email = $1 AND ($2::text IS NULL OR applications.id IS NOT NULL)
RETURNING id;

-- name: list_sessions
-- A page of sessions, newest first. `expired` compares with the database's clock.
--   $1  bigint  return rows before this id
--   $2  bigint  maximum number of rows
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

-- name: list_sessions_of_user
-- A page of the sessions of one user, newest first. `expired` compares with the database's clock.
--   $1  bigint  return rows before this id
--   $2  bigint  maximum number of rows
--   $3  text    e-mail address of the user
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

-- name: revoke_session
-- Revoke a session. One that is already revoked keeps its time.
--   $1  bigint  id
UPDATE sessions SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1 RETURNING id;

-- name: revoke_user_sessions
-- Revoke every live session of a user.
--   $1  text  e-mail address
UPDATE sessions
SET revoked_at = now()
FROM users
WHERE users.id = sessions.user_id AND users.email = $1 AND sessions.revoked_at IS NULL
RETURNING sessions.id;
