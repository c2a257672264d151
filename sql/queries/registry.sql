-- name: load_registry
-- Every route, and whether it and its service are deployed.
SELECT
    services.name AS service,
    routes.version,
    routes.action,
    routes.sensitive_params,
    routes.deployed_at IS NOT NULL AS deployed,
    services.deployed_at IS NOT NULL AS service_deployed
FROM routes
INNER JOIN services ON services.id = routes.service_id
ORDER BY services.name, routes.version, routes.action;

-- name: list_registry
-- Every service with its routes. A service without routes is one row, whose route columns are null.
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
-- Deploy a service, and create its record if it does not exist. One that is already deployed keeps its time.
--   $1  text  name
INSERT INTO services (name, deployed_at) VALUES ($1, now())
ON CONFLICT (name) DO UPDATE
SET deployed_at = coalesce(services.deployed_at, now()), updated_at = now()
RETURNING id;

-- name: deploy_route
-- Deploy a route, and create its record if it does not exist. One that is already deployed keeps its time.
--   $1  bigint   service_id
--   $2  text     version
--   $3  text     action
--   $4  boolean  sensitive_params; null: unchanged, and false for a new record
INSERT INTO routes (service_id, version, action, sensitive_params, deployed_at)
VALUES ($1, $2, $3, coalesce($4, false), now())
ON CONFLICT (service_id, version, action) DO UPDATE
SET deployed_at = coalesce(routes.deployed_at, now()),
    sensitive_params = coalesce($4, routes.sensitive_params),
    updated_at = now();

-- name: withdraw_service
-- Withdraw a service. Its record and those of its routes are kept.
--   $1  text  name
UPDATE services SET deployed_at = NULL, updated_at = now() WHERE name = $1 RETURNING id;

-- name: withdraw_route
-- Withdraw a route. Its record and that of its service are kept.
--   $1  text  service
--   $2  text  version
--   $3  text  action
UPDATE routes
SET deployed_at = NULL, updated_at = now()
FROM services
WHERE services.id = routes.service_id AND services.name = $1 AND routes.version = $2 AND routes.action = $3
RETURNING routes.id;

-- name: forget_route
-- Delete the record of a route. The record of its service is kept.
--   $1  text  service
--   $2  text  version
--   $3  text  action
DELETE FROM routes
USING services
WHERE services.id = routes.service_id AND services.name = $1 AND routes.version = $2 AND routes.action = $3
RETURNING routes.id;

-- name: forget_service
-- Delete the record of a service that has no routes.
--   $1  text  name
DELETE FROM services
WHERE name = $1 AND NOT EXISTS (SELECT FROM routes WHERE routes.service_id = services.id)
RETURNING id;
