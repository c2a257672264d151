-- What the action index needs: an index for each filter and each order, and the key that protects its cursors.

-- Nothing is built or dropped concurrently: no release has filled these tables before.

-- It gets the requirements without a key too: index can ask for these.
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX requirements_key_idx;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX requirements_key_idx ON requirements (key, id);

-- The caller of a requirement. A client sees only the requirements of its user.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX requirements_application_idx ON requirements (application_id, id) WHERE application_id IS NOT NULL;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX requirements_user_idx ON requirements (user_id, id) WHERE user_id IS NOT NULL;

-- The orders by time, and ranges of created_at.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX requirements_created_idx ON requirements (created_at, id);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX requirements_updated_idx ON requirements (updated_at, id);

-- One row: the key that protects cursors against changes. All workers share it, and replicas and backups contain it, so
-- that a cursor is valid everywhere. A UUID has 122 random bits.
CREATE TABLE cursor_keys (
    id bigint NOT NULL DEFAULT 1,
    key bytea NOT NULL DEFAULT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT cursor_keys_pkey PRIMARY KEY (id),
    CONSTRAINT cursor_keys_one_row CHECK (id = 1)
);

INSERT INTO cursor_keys DEFAULT VALUES;
