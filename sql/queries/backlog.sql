-- name: backlog
-- What waits for someone: e-mails not sent yet, how long the oldest has waited, those given up, unread notifications.
SELECT
    (SELECT count(*) FROM emails WHERE state = 'pending') AS pending_emails,
    (SELECT count(*) FROM emails WHERE state = 'dead') AS dead_emails,
    (SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 FROM emails WHERE state = 'pending')
        AS oldest_pending_email_seconds,
    (SELECT count(*) FROM notifications WHERE acknowledged_at IS NULL) AS unacknowledged_notifications;

-- name: count_sent_emails
-- How many e-mails were accepted and are still kept: a statement of its own, as they may be many.
SELECT count(*) FROM emails WHERE state = 'sent';
