-- name: find_demo
-- The ids of the demo's application and of a service.
--   $1  text  slug of the application
--   $2  text  name of the service
SELECT applications.id AS application_id, services.id AS service_id
FROM applications CROSS JOIN services
WHERE applications.slug = $1 AND services.name = $2;
