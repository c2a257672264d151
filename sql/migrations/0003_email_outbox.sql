-- What sending e-mails and counting crashes need beyond the first tables.

-- recipients: all who are to be told, and accepted: those of them whom Mandrill has accepted the e-mail for.
-- sending: somebody is at it until leased_until; otherwise it is due then.
ALTER TABLE emails
    ADD COLUMN recipients text[] NOT NULL DEFAULT '{}',
    ADD COLUMN accepted text[] NOT NULL DEFAULT '{}',
    ADD COLUMN sending boolean NOT NULL DEFAULT false,
    ADD COLUMN sent_at timestamptz;

-- No index below is built concurrently: nothing has been written to these two tables before.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX emails_dead_idx ON emails (id) WHERE state = 'dead';

-- cause: what notifications are counted by; null where each stands for itself.
ALTER TABLE notifications ADD COLUMN cause text;

-- squawk-ignore require-concurrent-index-creation
CREATE UNIQUE INDEX notifications_kind_cause_created_at_idx ON notifications (kind, cause, created_at);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX notifications_unread_idx ON notifications (id) WHERE acknowledged_at IS NULL;

-- For each kind and cause, when the notification was made that counts it: one row, so that processes meet there.
CREATE TABLE notification_windows (
    kind text NOT NULL,
    cause text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT notification_windows_pkey PRIMARY KEY (kind, cause)
);
