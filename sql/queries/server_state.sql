-- name: is_standby
-- Whether the server is a standby.
SELECT pg_is_in_recovery();

-- name: is_read_only
-- Whether the server refuses to write, because it is a standby or is set to.
SELECT current_setting('transaction_read_only')::boolean AS read_only;
