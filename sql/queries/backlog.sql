-- name: backlog
-- Count the e-mails and notifications that wait: pending and dead e-mails, the age of the oldest pending e-mail in
-- seconds, and unread notifications.
-- The age is from 0 to 100 years: other software may have written times that have no age.
SELECT
    (SELECT count(*) FROM emails WHERE state = 'pending') AS pending_emails,
    (SELECT count(*) FROM emails WHERE state = 'dead') AS dead_emails,
    (
        SELECT coalesce(extract(epoch FROM now() - min(least(greatest(created_at, now() - interval '100 years'), now()))), 0)::float8
        FROM emails
        WHERE state = 'pending'
    ) AS oldest_pending_email_seconds,
    (SELECT count(*) FROM notifications WHERE acknowledged_at IS NULL) AS unacknowledged_notifications;

-- name: count_sent_emails
-- Count the sent e-mails that are kept.
-- A separate statement, because counting them can take long.
SELECT count(*) FROM emails WHERE state = 'sent';
