-- name: wait_for_migrations
-- Turn off the lock timeout in this transaction, which then waits as long as another process migrates.
SELECT set_config('lock_timeout', '0', true);

-- name: lock_migrations
-- Lock out other processes that migrate, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('requirements-service migrations', 0));

-- name: wait_no_longer
-- Set the lock timeout of this transaction back to that of its connection.
SELECT set_config('lock_timeout', reset_val, true) FROM pg_settings WHERE name = 'lock_timeout';

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
