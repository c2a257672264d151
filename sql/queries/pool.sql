-- name: set_lock_timeout
-- Set how long the statements of this connection wait for each lock.
--   $1  text  the time, with its unit
SELECT set_config('lock_timeout', $1, false);
