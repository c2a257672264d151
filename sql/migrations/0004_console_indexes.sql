-- The operations console pages through these tables from the newest row on, however many rows an end or a key has:
-- with the id last, an index gives a page in its order without sorting.

-- Nothing is built or dropped concurrently: no release has filled these tables before.
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX requirements_requireable_idx;
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX requirements_required_idx;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX requirements_requireable_idx ON requirements (requireable_type, requireable_id, id);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX requirements_required_idx ON requirements (required_type, required_id, id);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX requirements_key_idx ON requirements (key, id) WHERE key IS NOT NULL;
