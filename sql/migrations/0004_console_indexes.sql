-- The operations console pages through these tables from the newest row on, however many rows an end or a key has:
-- with the id last, an index gives a page in its order without sorting.

DROP INDEX requirements_requireable_idx;
DROP INDEX requirements_required_idx;
CREATE INDEX requirements_requireable_idx ON requirements (requireable_type, requireable_id, id);
CREATE INDEX requirements_required_idx ON requirements (required_type, required_id, id);
CREATE INDEX requirements_key_idx ON requirements (key, id) WHERE key IS NOT NULL;

CREATE INDEX notifications_kind_idx ON notifications (kind, id);
CREATE INDEX notifications_unread_idx ON notifications (kind, id) WHERE acknowledged_at IS NULL;
