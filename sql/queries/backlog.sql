-- name: backlog
-- Count the e-mails and notifications that wait: pending and dead e-mails, the age of the oldest pending e-mail in
-- seconds, and unread notifications.
SELECT
    (SELECT count(*) FROM emails WHERE state = 'pending') AS pending_emails,
    (SELECT count(*) FROM emails WHERE state = 'dead') AS dead_emails,
    (SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 FROM emails WHERE state = 'pending')
        AS oldest_pending_email_seconds,
    (SELECT count(*) FROM notifications WHERE acknowledged_at IS NULL) AS unacknowledged_notifications;

-- name: count_sent_emails
-- Count the sent e-mails that are kept.
-- A separate statement, because counting them can take long.
SELECT count(*) FROM emails WHERE state = 'sent';
