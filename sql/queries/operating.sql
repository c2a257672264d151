-- name: list_registry
-- Every service with its routes; a service without routes is one row.
SELECT
    services.name AS service,
    services.deployed_at AS service_deployed_at,
    routes.version,
    routes.action,
    routes.sensitive_params,
    routes.deployed_at
FROM services
LEFT JOIN routes ON routes.service_id = services.id
ORDER BY services.name, routes.version, routes.action;

-- name: deploy_service
-- Deploy a service, making its record if it is missing; one already deployed stays as it is.
INSERT INTO services (name, deployed_at) VALUES ($1, now())
ON CONFLICT (name) DO UPDATE
SET deployed_at = coalesce(services.deployed_at, now()), updated_at = now()
RETURNING id;

-- name: deploy_route
-- Deploy a route of a service, making its record if it is missing.
-- $4: whether its params are sensitive; null leaves that as it is.
INSERT INTO routes (service_id, version, action, sensitive_params, deployed_at)
VALUES ($1, $2, $3, coalesce($4, false), now())
ON CONFLICT (service_id, version, action) DO UPDATE
SET deployed_at = coalesce(routes.deployed_at, now()),
    sensitive_params = coalesce($4, routes.sensitive_params),
    updated_at = now();

-- name: withdraw_service
-- Take a service out of service; its record and its routes' stay.
UPDATE services SET deployed_at = NULL, updated_at = now() WHERE name = $1 RETURNING id;

-- name: withdraw_route
-- Take a route out of service; its record and its service's stay.
UPDATE routes
SET deployed_at = NULL, updated_at = now()
FROM services
WHERE services.id = routes.service_id AND services.name = $1 AND routes.version = $2 AND routes.action = $3
RETURNING routes.id;

-- name: create_application
-- A new application; nothing if the slug is taken.
INSERT INTO applications (slug, name) VALUES ($1, $2) ON CONFLICT (slug) DO NOTHING RETURNING id;

-- name: list_applications
-- Every application and how many live tokens it has.
SELECT
    applications.id, applications.slug, applications.name, applications.active, applications.created_at,
    count(application_tokens.id) FILTER (WHERE application_tokens.revoked_at IS NULL) AS live_tokens
FROM applications
LEFT JOIN application_tokens ON application_tokens.application_id = applications.id
GROUP BY applications.id
ORDER BY applications.slug;

-- name: issue_application_token
-- Another token for an application.
INSERT INTO application_tokens (application_id, token_digest)
SELECT id, $2 FROM applications WHERE slug = $1
RETURNING id;

-- name: revoke_application_tokens
-- Revoke the live tokens of an application, or only the one with the id $2.
UPDATE application_tokens
SET revoked_at = now()
FROM applications
WHERE applications.id = application_tokens.application_id AND applications.slug = $1
    AND application_tokens.revoked_at IS NULL AND ($2::bigint IS NULL OR application_tokens.id = $2)
RETURNING application_tokens.id;

-- name: set_application_active
-- Switch an application on or off, its tokens and the sessions opened in it with it.
UPDATE applications SET active = $2, updated_at = now() WHERE slug = $1 RETURNING id;

-- name: create_user
-- A new user; nothing if the e-mail address is taken.
INSERT INTO users (email) VALUES ($1) ON CONFLICT (email) DO NOTHING RETURNING id;

-- name: find_user
-- The user with an e-mail address.
SELECT id FROM users WHERE email = $1;

-- name: make_client
-- Give a user the role of a client.
INSERT INTO clients (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING;

-- name: make_employee
-- Give a user the role of an employee.
INSERT INTO employees (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING;

-- name: make_liaison
-- Give a user the role of a liaison.
INSERT INTO liaisons (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING;

-- name: create_session
-- A session of the user with the e-mail address $1, opened in the application $2 where one is named.
INSERT INTO sessions (user_id, application_id, token_digest, remember_me)
SELECT users.id, applications.id, $3, $4
FROM users
LEFT JOIN applications ON applications.slug = $2
WHERE users.email = $1 AND ($2::text IS NULL OR applications.id IS NOT NULL)
RETURNING id;

-- name: list_sessions
-- The latest $2 sessions, of one user where $1 is not null.
SELECT
    sessions.id, users.email, applications.slug AS application, sessions.remember_me, sessions.created_at,
    sessions.last_used_at, sessions.revoked_at
FROM sessions
INNER JOIN users ON users.id = sessions.user_id
LEFT JOIN applications ON applications.id = sessions.application_id
WHERE $1::text IS NULL OR users.email = $1
ORDER BY sessions.id DESC
LIMIT $2;

-- name: revoke_session
-- Revoke one session; one already revoked keeps its time.
UPDATE sessions SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1 RETURNING id;

-- name: revoke_user_sessions
-- Revoke every live session of a user.
UPDATE sessions
SET revoked_at = now()
FROM users
WHERE users.id = sessions.user_id AND users.email = $1 AND sessions.revoked_at IS NULL
RETURNING sessions.id;

-- name: purge_sessions
-- Delete sessions that have been revoked, or expired, for longer than $1.
DELETE FROM sessions
WHERE revoked_at < now() - $1::interval
    OR (NOT remember_me AND least(created_at + interval '168 hours', last_used_at + interval '72 hours') < now() - $1::interval)
RETURNING id;

-- name: purge_emails
-- Delete e-mails that were accepted longer than $1 ago.
DELETE FROM emails WHERE state = 'sent' AND updated_at < now() - $1::interval RETURNING id;

-- name: purge_notifications
-- Delete notifications older than $1.
DELETE FROM notifications WHERE created_at < now() - $1::interval RETURNING id;

-- name: find_demo
-- The ids of the demo's application $1 and of the service $2.
SELECT applications.id AS application_id, services.id AS service_id
FROM applications CROSS JOIN services
WHERE applications.slug = $1 AND services.name = $2;
