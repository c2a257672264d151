-- name: read_feed
-- The state of the feed: the database that it belongs to, the database that runs this statement, the last change that is
-- no longer kept, the last id of a change that was made in another database, the id after that of the last transaction
-- that ended, and the id below which all transactions have ended.
-- On a standby, a transaction that is not replayed yet counts as running.
-- There is no row if nobody has read the feed yet. If identity differs from actual_identity, the tables were copied or
-- restored from a dump.
SELECT
    feed.identity,
    feed_identity() AS actual_identity,
    feed.kept_after_transaction_id::text AS kept_after_transaction_id,
    feed.kept_after_id,
    feed.foreign_id,
    pg_snapshot_xmax(pg_current_snapshot())::text AS next_transaction_id,
    pg_snapshot_xmin(pg_current_snapshot())::text AS horizon
FROM feed
WHERE feed.id = 1;

-- name: adopt_feed
-- Bind the feed to this database, if it is not bound to it yet.
SELECT adopt_feed();

-- name: read_newest_change
-- The position of the last change that can be read, if any is kept.
-- read_feed_page says which changes can be read.
SELECT newest.transaction_id::text AS transaction_id, newest.id
FROM (
    (
        SELECT changes.transaction_id, changes.id
        FROM changes
        WHERE
            changes.transaction_id < pg_snapshot_xmin(pg_current_snapshot())
            AND (changes.transaction_id, changes.id)
                > ((SELECT kept_after_transaction_id FROM feed), (SELECT kept_after_id FROM feed))
            AND changes.id > (SELECT foreign_id FROM feed)
        ORDER BY changes.transaction_id DESC, changes.id DESC
        LIMIT 1
    )
    UNION ALL
    (
        SELECT requirements.transaction_id, requirements.change_id AS id
        FROM requirements
        WHERE
            requirements.change_id IS NOT NULL
            AND requirements.transaction_id < pg_snapshot_xmin(pg_current_snapshot())
            AND (requirements.transaction_id, requirements.change_id)
                > ((SELECT kept_after_transaction_id FROM feed), (SELECT kept_after_id FROM feed))
            AND requirements.change_id > (SELECT foreign_id FROM feed)
        ORDER BY requirements.transaction_id DESC, requirements.change_id DESC
        LIMIT 1
    )
) AS newest
ORDER BY newest.transaction_id DESC, newest.id DESC
LIMIT 1;

-- name: read_horizon
-- The oldest transaction under way, in all databases of the server, and the id after that of the last one that ended.
-- They are equal if none under way is older than one that ended. Only transactions that write have an id.
SELECT
    pg_snapshot_xmin(pg_current_snapshot())::text AS oldest_transaction_id,
    pg_snapshot_xmax(pg_current_snapshot())::text AS next_transaction_id;

-- name: read_feed_page
-- A page of the change feed.
--   $1   text     transaction_id of the position that the page starts after
--   $2   bigint   id of this position
--   $3   text     identity that the feed must have
--   $4   bigint   changes with an id up to this one are of another database
--   $5   bigint   maximum number of changes to read
--   $6   bigint   maximum number of changes to return
--   $7   text     required_type; null in this and the following: any
--   $8   bigint   required_id
--   $9   text     requireable_type
--   $10  bigint   requireable_id
--   $11  text     key
--   $12  boolean  whether the changes are those of requirements without a key
--   $13  boolean  whether the caller sees all requirements; null counts as false
--   $14  bigint   the user whose requirements the caller sees otherwise
-- Returns the matching changes, and the last change that was read, matching or not: the next page starts after the last
-- row. is_last is whether no more could be read, place the number of changes read up to the row. kept is whether every
-- change after the position is kept; if not, or if there is no change, the row has nothing else.
-- A requirement that was not changed since its creation is its own change "created"; one snapshot sees each change
-- either here or there. Transactions may commit in another order than they began: a change is only read when no
-- transaction up to its own is under way any more, so that nothing can come before it.
-- The first columns of a change are in the order of create_requirements.
SELECT
    page.requirement_id, page.required_type, page.required_id, page.requireable_type, page.requireable_id, page.key,
    page.value, page.created_at, page.updated_at, NULL::bytea AS params_digest, page.transaction_id::text, page.id,
    page.change, page.application_id, page.user_id, page.session_id, page.request_id, page.changed_at, page.matches,
    page.place, page.is_last, feed.kept
FROM (
    SELECT coalesce(bool_and(
        feed.identity = $3::text
        AND (feed.kept_after_transaction_id, feed.kept_after_id) <= ($1::text::xid8, $2::bigint)
    ), false) AS kept
    FROM feed
) AS feed
LEFT JOIN (
    SELECT *
    FROM (
        SELECT
            event.*,
            (event.required_type = $7::text) IS NOT false
            AND (event.required_id = $8::bigint) IS NOT false
            AND (event.requireable_type = $9::text) IS NOT false
            AND (event.requireable_id = $10::bigint) IS NOT false
            AND ($11::text IS NULL OR (event.key = $11::text) IS true)
            AND ($12::boolean IS NOT true OR event.key IS NULL)
            AND ($13::boolean IS true OR (event.owner_user_id = $14::bigint) IS true) AS matches,
            row_number() OVER () AS place,
            lead(event.id) OVER () IS NULL AS is_last
        FROM (
            SELECT ordered.*
            FROM (
                SELECT
                    changes.transaction_id, changes.id, changes.change, changes.requirement_id,
                    changes.required_type, changes.required_id, changes.requireable_type, changes.requireable_id,
                    changes.key, changes.value, changes.created_at, changes.updated_at, changes.owner_user_id,
                    changes.application_id, changes.user_id, changes.session_id, changes.request_id,
                    changes.changed_at
                FROM changes
                UNION ALL
                SELECT
                    requirements.transaction_id, requirements.change_id, 'created'::text, requirements.id,
                    requirements.required_type, requirements.required_id, requirements.requireable_type,
                    requirements.requireable_id, requirements.key, requirements.value, requirements.created_at,
                    requirements.updated_at, requirements.user_id, requirements.application_id, requirements.user_id,
                    requirements.session_id, requirements.request_id, requirements.created_at
                FROM requirements
            ) AS ordered
            WHERE
                (ordered.transaction_id, ordered.id) > ($1::text::xid8, $2::bigint)
                AND ordered.transaction_id < pg_snapshot_xmin(pg_current_snapshot())
                AND ordered.id > $4::bigint
            ORDER BY ordered.transaction_id, ordered.id
            LIMIT $5::bigint
        ) AS event
    ) AS judged
    WHERE judged.matches OR judged.is_last
    LIMIT $6::bigint
) AS page ON feed.kept
ORDER BY page.place;
