-- name: create_user
-- Create a user. Returns no row if the e-mail address is taken.
--   $1  text  e-mail address
INSERT INTO users (email) VALUES ($1) ON CONFLICT (email) DO NOTHING RETURNING id;

-- name: find_user
-- The id of the user with an e-mail address.
--   $1  text  e-mail address
SELECT id FROM users WHERE email = $1;

-- name: make_client
-- Give a user the role client. Nothing changes if the user has it.
--   $1  bigint  user_id
INSERT INTO clients (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING;

-- name: make_employee
-- Give a user the role employee. Nothing changes if the user has it.
--   $1  bigint  user_id
INSERT INTO employees (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING;

-- name: make_liaison
-- Give a user the role liaison. Nothing changes if the user has it.
--   $1  bigint  user_id
INSERT INTO liaisons (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING;
