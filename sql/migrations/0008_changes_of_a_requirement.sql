-- The changes of one requirement, for its page in the console. A create writes no row of changes, so it costs nothing.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX changes_requirement_idx ON changes (requirement_id, id);
