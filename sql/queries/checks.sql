-- name: server_facts
-- The server's version, the settings that the service checks when it starts, and whether deploy/citus was used.
SELECT
    current_setting('server_version') AS version,
    current_setting('server_version_num')::integer AS version_number,
    current_setting('server_encoding') AS encoding,
    current_setting('fsync') AS fsync,
    current_setting('full_page_writes') AS full_page_writes,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
        AS connections,
    current_user AS role,
    to_regproc('lock_requirement') IS NOT NULL AS distributed;

-- name: misleading_settings
-- The settings of this session that make PostgreSQL skip triggers or damaged rows, and their values.
SELECT name, setting
FROM pg_settings
WHERE
    (name = 'session_replication_role' AND setting <> 'origin')
    OR (name IN ('zero_damaged_pages', 'ignore_checksum_failure') AND setting <> 'off')
ORDER BY name;

-- name: misleading_tables
-- The service's own tables that do not hold what was written to them, or do not show it to the current role.
WITH own (name) AS (
    SELECT unnest(ARRAY[
        'services', 'routes', 'users', 'clients', 'employees', 'liaisons', 'applications', 'application_tokens',
        'sessions', 'requirements', 'changes', 'emails', 'notifications', 'notification_windows'
    ])
)
SELECT
    own.name,
    relkind NOT IN ('r', 'p') AS is_no_table,
    row_security_active(pg_class.oid) AS filters_rows,
    EXISTS (SELECT FROM pg_rewrite WHERE ev_class = pg_class.oid) AS has_rules,
    relpersistence <> 'p' AS is_unlogged
FROM own
INNER JOIN pg_class ON pg_class.oid = to_regclass(own.name)
WHERE
    relkind NOT IN ('r', 'p')
    OR relpersistence <> 'p'
    OR row_security_active(pg_class.oid)
    OR EXISTS (SELECT FROM pg_rewrite WHERE ev_class = pg_class.oid)
ORDER BY own.name;

-- name: backend_pid
-- The process of the server that runs this statement.
SELECT pg_backend_pid() AS pid;

-- name: missing_privileges
-- The privileges on the service's own tables that the current role lacks.
SELECT needed.table_name, needed.privilege
FROM (
    VALUES
        ('services', 'SELECT'), ('routes', 'SELECT'), ('users', 'SELECT'), ('clients', 'SELECT'),
        ('employees', 'SELECT'), ('liaisons', 'SELECT'), ('applications', 'SELECT'),
        ('application_tokens', 'SELECT'), ('sessions', 'SELECT'), ('sessions', 'UPDATE'),
        ('requirements', 'SELECT'), ('requirements', 'INSERT'), ('requirements', 'UPDATE'),
        ('requirements', 'DELETE'), ('changes', 'SELECT'), ('changes', 'INSERT'),
        ('emails', 'SELECT'), ('emails', 'INSERT'), ('emails', 'UPDATE'), ('notifications', 'SELECT'),
        ('notifications', 'INSERT'), ('notifications', 'UPDATE'), ('notification_windows', 'SELECT'),
        ('notification_windows', 'INSERT'), ('notification_windows', 'UPDATE'), ('cursor_keys', 'SELECT')
) AS needed (table_name, privilege)
WHERE NOT has_table_privilege(needed.table_name, needed.privilege);

-- name: association_facts
-- For each association table: whether it is a table, whether it has a bigint "id" with a unique index, and whether the
-- current role may read and lock its rows.
--   $1  text[]  tables, as quoted identifiers
-- FOR KEY SHARE needs SELECT, and UPDATE on at least one column.
SELECT
    wanted.name,
    pg_class.relkind IN ('r', 'p') AS is_table,
    row_security_active(pg_class.oid) AS filters_rows,
    pg_attribute.atttypid = 'bigint'::regtype AS has_bigint_id,
    EXISTS (
        SELECT FROM pg_index
        WHERE indrelid = pg_class.oid AND indisunique AND indisvalid AND indpred IS NULL
            AND indnkeyatts = 1 AND indkey[0] = pg_attribute.attnum
    ) AS has_unique_id,
    has_table_privilege(pg_class.oid, 'SELECT') AS may_read,
    has_any_column_privilege(pg_class.oid, 'UPDATE') AS may_hold
FROM unnest($1::text[]) AS wanted (name)
LEFT JOIN pg_class ON pg_class.oid = to_regclass(wanted.name)
LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'id' AND NOT attisdropped;
