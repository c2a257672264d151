-- name: set_session_setting
-- A part of the statement that a new connection begins with: set one setting for the session.
--   {name}   the setting, as a literal
--   {value}  its value, as a literal
-- Nothing here depends on search_path, which may still lead to functions of someone else.
SELECT pg_catalog.set_config({name}, {value}, false)
