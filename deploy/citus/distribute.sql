-- Distribute the table requirements over the workers of a Citus coordinator. Run it once, after `migrate`:
--   psql "$CITUS_URL" -v ON_ERROR_STOP=1 -f deploy/citus/distribute.sql
-- All other tables stay on the coordinator. If database.schema is not public, set search_path to it first.
-- README.md says what changes for callers.

BEGIN;

-- Tables and functions are made in one transaction: Citus wants one connection to each worker for that.
SET LOCAL citus.multi_shard_modify_mode = 'sequential';

-- At most so many workers can have a part of the table. More shards make each statement slower.
SET LOCAL citus.shard_count = 8;

-- A distributed table has no triggers: the change feed ends here.
DROP TRIGGER requirements_changed ON requirements;
DROP TRIGGER requirements_truncated ON requirements;

-- A unique constraint contains the distribution column, and no other table refers to a distributed one.
ALTER TABLE emails DROP CONSTRAINT emails_requirement_id_fkey;
ALTER TABLE requirements DROP CONSTRAINT requirements_pkey;
ALTER TABLE requirements DROP CONSTRAINT requirements_request_uid_key;
ALTER TABLE requirements ADD CONSTRAINT requirements_pkey PRIMARY KEY (request_uid);
CREATE INDEX requirements_id_idx ON requirements (id);

SELECT create_distributed_table('requirements', 'request_uid');
SELECT truncate_local_data_after_distributing_table('requirements');

-- In place of the foreign key: a requirement that is destroyed takes its e-mails with it.
CREATE FUNCTION delete_emails_of_destroyed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM emails WHERE requirement_id = NEW.requirement_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER changes_destroyed
AFTER INSERT ON changes
FOR EACH ROW WHEN (NEW.change = 'destroyed')
EXECUTE FUNCTION delete_emails_of_destroyed();

-- The functions run on the coordinator. A statement that names one request_uid concerns one worker, and only such a
-- statement can lock rows.

-- Those of these request_uids that requirements hold, or that are in the table changes. The second statement sees what
-- was committed during the first: a requirement that is destroyed meanwhile is found in one of the tables.
CREATE FUNCTION find_request_uids(request_uids uuid[]) RETURNS SETOF uuid
LANGUAGE plpgsql AS $$
DECLARE
    asked uuid;
BEGIN
    FOREACH asked IN ARRAY request_uids LOOP
        RETURN QUERY SELECT request_uid FROM requirements WHERE request_uid = asked;
        RETURN QUERY SELECT request_uid FROM changes WHERE request_uid = asked;
    END LOOP;
END
$$;

-- Lock the requirements that hold one of these request_uids, in their order, and return the request_uids. Without
-- `wait`, those that another transaction is changing are left out.
CREATE FUNCTION lock_request_uids(request_uids uuid[], wait boolean) RETURNS SETOF uuid
LANGUAGE plpgsql AS $$
DECLARE
    asked uuid;
BEGIN
    FOR asked IN SELECT DISTINCT unnest(request_uids) ORDER BY 1 LOOP
        IF wait THEN
            RETURN QUERY SELECT request_uid FROM requirements WHERE request_uid = asked FOR NO KEY UPDATE;
        ELSE
            RETURN QUERY SELECT request_uid FROM requirements WHERE request_uid = asked FOR NO KEY UPDATE SKIP LOCKED;
        END IF;
    END LOOP;
END
$$;

-- Lock one requirement and return it, if the caller may see it. Without `wait`, one that another transaction is
-- changing is not found.
CREATE FUNCTION lock_requirement(requirement_id bigint, sees_all boolean, viewer_id bigint, wait boolean)
RETURNS SETOF requirements
LANGUAGE plpgsql AS $$
DECLARE
    found_uid uuid := (
        SELECT request_uid FROM requirements WHERE id = requirement_id AND (sees_all OR user_id = viewer_id)
    );
BEGIN
    IF wait THEN
        RETURN QUERY SELECT * FROM requirements WHERE request_uid = found_uid FOR UPDATE;
    ELSE
        RETURN QUERY SELECT * FROM requirements WHERE request_uid = found_uid FOR UPDATE SKIP LOCKED;
    END IF;
END
$$;

COMMIT;
