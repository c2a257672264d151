-- name: create_application
-- Create an application. Returns no row if the slug is taken.
--   $1  text  slug
--   $2  text  name
INSERT INTO applications (slug, name) VALUES ($1, $2) ON CONFLICT (slug) DO NOTHING RETURNING id;

-- name: list_applications
-- A page of applications, ordered by slug, each with its number of live tokens.
--   $1  text    return rows after this slug
--   $2  bigint  maximum number of rows; null: no limit
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
--   $1  bigint  id
SELECT id, slug, name, active, created_at, updated_at FROM applications WHERE id = $1;

-- name: set_application_active
-- Activate or deactivate an application. While it is inactive, its tokens and the sessions opened in it are refused.
--   $1  text     slug
--   $2  boolean  whether it is active
UPDATE applications SET active = $2, updated_at = now() WHERE slug = $1 RETURNING id;

-- name: issue_application_token
-- Add a token to an application. Returns no row if the application does not exist.
--   $1  text   slug
--   $2  bytea  token digest
INSERT INTO application_tokens (application_id, token_digest)
SELECT id, $2 FROM applications WHERE slug = $1
RETURNING id;

-- name: list_application_tokens
-- The latest tokens of an application, live ones first.
--   $1  bigint  application_id
--   $2  bigint  maximum number of rows
SELECT id, created_at, revoked_at
FROM application_tokens
WHERE application_id = $1
ORDER BY revoked_at IS NOT NULL, id DESC
LIMIT $2;

-- name: revoke_application_tokens
-- Revoke live tokens of an application.
--   $1  text    slug
--   $2  bigint  only the token with this id; null: all of them
UPDATE application_tokens
SET revoked_at = now()
FROM applications
WHERE applications.id = application_tokens.application_id AND applications.slug = $1
    AND application_tokens.revoked_at IS NULL AND ($2::bigint IS NULL OR application_tokens.id = $2)
RETURNING application_tokens.id;
