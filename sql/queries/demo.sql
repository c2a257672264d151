-- name: find_demo
-- The ids of the demo's application, user and client, and of a service and one of its routes.
--   $1  text  slug of the application
--   $2  text  name of the service
--   $3  text  e-mail address of the user
SELECT
    applications.id AS application_id,
    services.id AS service_id,
    users.id AS user_id,
    clients.id AS client_id,
    (SELECT min(routes.id) FROM routes WHERE routes.service_id = services.id) AS route_id
FROM applications
CROSS JOIN services
CROSS JOIN users
INNER JOIN clients ON clients.user_id = users.id
WHERE applications.slug = $1 AND services.name = $2 AND users.email = $3;

-- name: insert_demo_requirements
-- Insert the demo's requirements that do not exist: a small graph with two chains and one cycle.
--   $1  bigint  application id
--   $2  bigint  service id
--   $3  bigint  user id
--   $4  bigint  client id
--   $5  bigint  route id
-- Each has a fixed request_uid, so that a repeated demo adds nothing. ON CONFLICT alone would use up an id for each.
INSERT INTO requirements (
    request_uid, requireable_type, requireable_id, required_type, required_id, key, value, application_id
)
SELECT
    md5('demo requirement ' || demo.number)::uuid, demo.requireable_type, demo.requireable_id, demo.required_type,
    demo.required_id, demo.key, demo.value, $1::bigint
FROM (
    VALUES
    (1, 'Application', $1::bigint, 'Service', $2::bigint, 'tier', 'gold'),
    (2, 'Service', $2::bigint, 'Route', $5::bigint, NULL, NULL),
    (3, 'Client', $4::bigint, 'User', $3::bigint, NULL, NULL),
    (4, 'User', $3::bigint, 'Application', $1::bigint, 'role', 'reader'),
    (5, 'User', $3::bigint, 'Service', $2::bigint, 'tier', 'silver'),
    (6, 'Route', $5::bigint, 'Application', $1::bigint, 'caller', NULL)
) AS demo (number, requireable_type, requireable_id, required_type, required_id, key, value)
WHERE NOT EXISTS (
    SELECT FROM requirements WHERE request_uid = md5('demo requirement ' || demo.number)::uuid
)
ORDER BY demo.number
ON CONFLICT (request_uid) DO NOTHING;
