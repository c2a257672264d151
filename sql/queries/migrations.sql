-- name: wait_for_migrations
-- Have this transaction wait for as long as another process migrates.
SELECT set_config('lock_timeout', '0', true);

-- name: lock_migrations
-- Let one process migrate at a time: the others wait for the end of its transaction.
SELECT pg_advisory_xact_lock(hashtextextended('requirements-service migrations', 0));

-- name: wait_no_longer
-- From here on this transaction waits for locks no longer than its connection says.
SELECT set_config('lock_timeout', reset_val, true) FROM pg_settings WHERE name = 'lock_timeout';

-- name: create_schema_migrations
-- The table that says which migrations are applied.
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer NOT NULL,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT schema_migrations_pkey PRIMARY KEY (version)
);

-- name: has_schema_migrations
-- Whether any migration was ever applied here.
SELECT to_regclass('schema_migrations') IS NOT NULL AS known;

-- name: list_migrations
-- The migrations that are applied.
SELECT version, name, sha256, applied_at FROM schema_migrations ORDER BY version;

-- name: record_migration
-- Note that a migration is applied, in the transaction that applies it.
INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3);
