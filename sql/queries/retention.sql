-- name: purge_sessions
-- Delete sessions that were revoked, or expired, longer ago than the retention time.
--   $1  interval  retention time
-- The intervals are taken from now: a time at the end of PostgreSQL's range has no later one.
DELETE FROM sessions
WHERE revoked_at < now() - $1::interval
    OR (
        NOT remember_me AND (
            created_at < now() - $1::interval - interval '168 hours'
            OR last_used_at < now() - $1::interval - interval '72 hours'
        )
    )
RETURNING id;

-- name: purge_emails
-- Delete sent e-mails that were last updated longer ago than the retention time.
--   $1  interval  retention time
DELETE FROM emails WHERE state = 'sent' AND updated_at < now() - $1::interval RETURNING id;

-- name: purge_notifications
-- Delete notifications that were created longer ago than the retention time.
--   $1  interval  retention time
DELETE FROM notifications WHERE created_at < now() - $1::interval RETURNING id;

-- name: mark_changes
-- Note that all transactions below the oldest one under way have ended by now.
INSERT INTO change_marks (transaction_id) VALUES (pg_snapshot_xmin(pg_current_snapshot())) ON CONFLICT DO NOTHING;

-- name: purge_changes_distributed
-- Delete changes that were made longer ago than the retention time, where requirements is distributed.
--   $1  interval  retention time
-- There is no feed. The changes of one requirement are deleted together: they have the Idempotency-Keys of its calls.
DELETE FROM changes
WHERE
    changed_at < now() - $1::interval
    AND NOT EXISTS (
        SELECT FROM changes AS later
        WHERE later.requirement_id = changes.requirement_id AND later.changed_at >= now() - $1::interval
    )
RETURNING id;

-- name: purge_changes
-- Delete changes whose transaction ended longer ago than the retention time. A mark shows that it had ended by then.
--   $1  interval  retention time
-- It deletes the beginning of the feed, also the part that is stored in the table requirements, and stores the new
-- beginning of the feed in the same statement. A mark is below every transaction that was running, so readers could see
-- what is deleted.
-- A repeated create must find its creation. So the change "created" of a call with an Idempotency-Key is kept while its
-- requirement exists, and every such change of the service while the change "destroyed" of its requirement is kept.
-- Returns how many changes the feed has lost, plus how many that it had lost before, and that were kept only for their
-- key, are deleted now.
WITH mark AS MATERIALIZED (
    SELECT transaction_id FROM change_marks
    WHERE marked_at <= now() - $1::interval
    ORDER BY transaction_id DESC
    LIMIT 1
),
last AS MATERIALIZED (
    SELECT old.transaction_id, old.id
    FROM (
        (
            SELECT changes.transaction_id, changes.id
            FROM changes
            WHERE changes.transaction_id < (SELECT transaction_id FROM mark)
            ORDER BY changes.transaction_id DESC, changes.id DESC
            LIMIT 1
        )
        UNION ALL
        (
            SELECT requirements.transaction_id, requirements.change_id AS id
            FROM requirements
            WHERE
                requirements.change_id IS NOT NULL
                AND requirements.transaction_id < (SELECT transaction_id FROM mark)
            ORDER BY requirements.transaction_id DESC, requirements.change_id DESC
            LIMIT 1
        )
        UNION ALL
        SELECT kept_after_transaction_id, kept_after_id FROM feed
    ) AS old
    ORDER BY old.transaction_id DESC, old.id DESC
    LIMIT 1
),
begun AS (
    UPDATE feed SET kept_after_transaction_id = last.transaction_id, kept_after_id = last.id FROM last
),
former_marks AS (
    DELETE FROM change_marks USING mark WHERE change_marks.transaction_id < mark.transaction_id
),
deleted AS (
    DELETE FROM changes
    USING last
    WHERE
        (changes.transaction_id, changes.id) <= (last.transaction_id, last.id)
        AND NOT (
            changes.change = 'created'
            AND changes.request_uid IS NOT NULL
            AND (
                (
                    changes.params_digest IS NOT NULL
                    AND EXISTS (SELECT FROM requirements WHERE requirements.id = changes.requirement_id)
                )
                OR EXISTS (
                    SELECT FROM changes AS destroyed
                    WHERE
                        destroyed.requirement_id = changes.requirement_id
                        AND destroyed.change = 'destroyed'
                        AND (destroyed.transaction_id, destroyed.id) > (last.transaction_id, last.id)
                )
            )
        )
    RETURNING changes.transaction_id, changes.id
)
SELECT
    (
        SELECT count(*) FROM deleted
        WHERE (deleted.transaction_id, deleted.id) <= (feed.kept_after_transaction_id, feed.kept_after_id)
    ) + (
        SELECT count(*) FROM changes
        WHERE
            (changes.transaction_id, changes.id) > (feed.kept_after_transaction_id, feed.kept_after_id)
            AND (changes.transaction_id, changes.id) <= (last.transaction_id, last.id)
    ) + (
        SELECT count(*) FROM requirements
        WHERE
            requirements.change_id IS NOT NULL
            AND (requirements.transaction_id, requirements.change_id)
                > (feed.kept_after_transaction_id, feed.kept_after_id)
            AND (requirements.transaction_id, requirements.change_id) <= (last.transaction_id, last.id)
    ) AS count
FROM feed, last;
