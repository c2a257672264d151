-- name: purge_sessions
-- Delete sessions that were revoked, or expired, longer ago than the retention time.
--   $1  interval  retention time
DELETE FROM sessions
WHERE revoked_at < now() - $1::interval
    OR (NOT remember_me AND least(created_at + interval '168 hours', last_used_at + interval '72 hours') < now() - $1::interval)
RETURNING id;

-- name: purge_emails
-- Delete sent e-mails that were last updated longer ago than the retention time.
--   $1  interval  retention time
DELETE FROM emails WHERE state = 'sent' AND updated_at < now() - $1::interval RETURNING id;

-- name: purge_notifications
-- Delete notifications that were created longer ago than the retention time.
--   $1  interval  retention time
DELETE FROM notifications WHERE created_at < now() - $1::interval RETURNING id;
