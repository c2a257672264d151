-- What readers of the change feed need beside the changes themselves.

-- The database that a dump was restored into is another one, and so is the copy of a database. Its transactions have
-- other ids, and cursors of the first one mean nothing in it. A standby that takes over is the same one.
CREATE FUNCTION feed_identity() RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT concat_ws('/', system_identifier, pg_database.oid, 'changes'::regclass::oid)
    FROM pg_control_system(), pg_database
    WHERE datname = current_database()
$$;

-- At most one row: the database that the feed belongs to, and where the feed begins. It is written by adopt_feed, and by
-- purges.
CREATE TABLE feed (
    id bigint NOT NULL DEFAULT 1,
    identity text NOT NULL,
    -- The last change that is no longer kept.
    kept_after_transaction_id xid8 NOT NULL,
    kept_after_id bigint NOT NULL,
    -- Changes with an id up to this one were made in another database.
    foreign_id bigint NOT NULL,
    CONSTRAINT feed_pkey PRIMARY KEY (id),
    CONSTRAINT feed_one_row CHECK (id = 1)
);

-- All transactions below transaction_id had ended at marked_at. Purges write and read it: the times in the rows would not
-- do, because other software may write any, and those of a transaction are when it began.
CREATE TABLE change_marks (
    transaction_id xid8 NOT NULL,
    marked_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT change_marks_pkey PRIMARY KEY (transaction_id, marked_at)
);

-- Bind the feed to this database, if it is not bound to it yet. If changes have transaction ids that this server has not
-- reached, they came with a dump of another server, and would be read late and in a wrong order: then the feed begins
-- anew.
-- No change may be made meanwhile, so that each is made either before, or after with a greater id and transaction id.
-- Writers wait behind the lock, so it is not waited for long. It runs with the owner's privileges, because readers call it.
CREATE FUNCTION adopt_feed() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '200ms' AS $$
BEGIN
    IF EXISTS (SELECT FROM feed WHERE identity = feed_identity()) THEN
        RETURN;
    END IF;
    IF EXISTS (
        SELECT FROM changes WHERE transaction_id >= pg_snapshot_xmax(pg_current_snapshot())
    ) OR EXISTS (
        SELECT FROM requirements
        WHERE change_id IS NOT NULL AND transaction_id >= pg_snapshot_xmax(pg_current_snapshot())
    ) OR EXISTS (
        SELECT FROM feed WHERE kept_after_transaction_id >= pg_snapshot_xmax(pg_current_snapshot())
    ) THEN
        LOCK TABLE requirements IN SHARE ROW EXCLUSIVE MODE;
        -- Another call may have come first.
        IF EXISTS (SELECT FROM feed WHERE identity = feed_identity()) THEN
            RETURN;
        END IF;
        INSERT INTO feed (identity, kept_after_transaction_id, kept_after_id, foreign_id)
        VALUES (feed_identity(), pg_snapshot_xmin(pg_current_snapshot()), 0, nextval('changes_id_seq'))
        ON CONFLICT (id) DO UPDATE SET
            identity = excluded.identity,
            kept_after_transaction_id = excluded.kept_after_transaction_id,
            kept_after_id = excluded.kept_after_id,
            foreign_id = excluded.foreign_id;
    ELSE
        INSERT INTO feed (identity, kept_after_transaction_id, kept_after_id, foreign_id)
        VALUES (feed_identity(), '0', 0, 0)
        ON CONFLICT (id) DO UPDATE SET identity = excluded.identity;
    END IF;
    DELETE FROM change_marks;
END
$$;
