-- name: has_schema
-- Whether the schema of the service's tables exists.
--   $1  text  schema
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) AS known;

-- name: create_schema
-- Create the schema of the service's tables.
--   {schema}  schema, as a quoted identifier
CREATE SCHEMA {schema};

-- name: wait_for_migrations
-- Turn off the lock timeout in this transaction, which then waits as long as another process migrates. Returns what
-- the timeout was.
WITH before AS MATERIALIZED (
    SELECT current_setting('lock_timeout') AS lock_timeout
)
SELECT lock_timeout, set_config('lock_timeout', '0', true) FROM before;

-- name: lock_migrations
-- Lock out other processes that migrate, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('requirements-service migrations', 0));

-- name: wait_no_longer
-- Set the lock timeout of this transaction back.
--   $1  text  what wait_for_migrations returned
SELECT set_config('lock_timeout', $1, true);

-- name: create_schema_migrations
-- Create the table of applied migrations, if it does not exist.
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer NOT NULL,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT schema_migrations_pkey PRIMARY KEY (version)
);

-- name: has_schema_migrations
-- Whether the table of applied migrations exists.
SELECT to_regclass('schema_migrations') IS NOT NULL AS known;

-- name: list_migrations
-- The applied migrations, in order.
SELECT version, name, sha256, applied_at FROM schema_migrations ORDER BY version;

-- name: record_migration
-- Record a migration as applied, in the transaction that applies it.
--   $1  integer  version
--   $2  text     name
--   $3  bytea    SHA-256 of its file
INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3);
