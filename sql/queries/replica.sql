-- name: primary_position
-- The position in the WAL up to which everything that was committed is written, and the identity of this database.
-- A transaction is visible only after its commit was written, unless synchronous_commit is off: then up to 0.6 s before.
SELECT feed_identity() AS identity, (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint AS position;

-- name: standby_position
-- The position up to which a standby has replayed the WAL, the identity of this database, and the server's start time.
-- receives_wal: without a connection to its primary, a standby may have transactions that the current primary does not
-- have. Every role may see whether there is such a connection.
SELECT
    feed_identity() AS identity,
    pg_is_in_recovery() AS is_standby,
    EXISTS (SELECT FROM pg_stat_wal_receiver) AS receives_wal,
    (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint AS position,
    pg_postmaster_start_time()::text AS started;

-- name: server_start
-- When the server was started, to the microsecond: it distinguishes the servers behind one address.
SELECT pg_postmaster_start_time()::text AS started;
