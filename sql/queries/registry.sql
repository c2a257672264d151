-- name: load_registry
-- Every route with its service, and whether each is deployed.
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
