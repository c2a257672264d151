-- name: read_cursor_key
-- The key that protects cursors.
SELECT key FROM cursor_keys WHERE id = 1;
