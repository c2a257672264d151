-- name: record_audit
-- Record a change, in the transaction that makes it.
--   $1  text   actor
--   $2  text   action
--   $3  jsonb  details
INSERT INTO audit (actor, action, details) VALUES ($1, $2, $3);

-- name: list_audit
-- A page of the recorded changes, newest first.
--   $1  bigint  return rows before this id
--   $2  bigint  maximum number of rows
SELECT id, actor, action, details, created_at FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2;
