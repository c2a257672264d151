-- Return one row for each contradiction between the history of a run and the tables of the service.
-- $1 boolean: the history is complete, so that every row of the tables must be in it.
WITH touched AS MATERIALIZED (
    SELECT requirement_id FROM events WHERE $1 OR sent_at IS NOT NULL
    UNION
    SELECT requirement_id FROM stored WHERE $1
),
-- Creations whose row is there, or was destroyed by a request, and other changes.
counted AS MATERIALIZED (
    SELECT intent, count(*) AS events, array_agg(requirement_id ORDER BY event_id) AS ids
    FROM events
    WHERE
        change <> 'created'
        OR EXISTS (SELECT FROM stored WHERE stored.requirement_id = events.requirement_id)
        OR EXISTS (
            SELECT FROM events AS later
            WHERE later.requirement_id = events.requirement_id AND later.change = 'destroyed'
                AND later.request_id IS NOT NULL
        )
    GROUP BY intent
),
intents AS MATERIALIZED (
    SELECT
        intent,
        min(marker) AS marker,
        CASE min(action) WHEN 'create' THEN 'row' ELSE 'event' END AS thing,
        bool_or(outcome = 'ok' AND outcome_header <> 'none') AS acknowledged,
        bool_or(outcome = 'unknown') AS unsettled,
        count(*) FILTER (WHERE outcome = 'ok' AND outcome_header IN ('created', 'updated', 'destroyed')) AS made,
        count(DISTINCT data ->> 'id') AS answered_ids,
        coalesce(max(counted.events), 0) AS events
    FROM attempts
    LEFT JOIN counted USING (intent)
    WHERE intent IS NOT NULL
    GROUP BY intent
),
-- Refusals of a caller or route that were neither expected nor explained by a concurrent change.
unexpected_refusals AS (
    SELECT attempts.*
    FROM attempts
    WHERE outcome = 'fail'
        AND status NOT IN (
            'application-crash', 'identify-request-error', 'not sent', 'body incomplete', 'no answer',
            'no answer in time'
        )
        AND status <> expected_status
        AND NOT EXISTS (
            SELECT FROM rules
            WHERE subject IN (attempts.caller, 'everyone') AND rules.status = attempts.status
                AND since <= received_at AND sent_at <= until
        )
        -- The requirement was destroyed, or it had changed since the version that the request names.
        AND NOT (
            status = 'invalid-param'
            AND action IN ('read', 'update', 'destroy')
            AND EXISTS (
                SELECT FROM events
                WHERE events.requirement_id = attempts.requirement_id
                    AND events.intent IS DISTINCT FROM attempts.intent
                    AND coalesce(events.sent_at, 0) <= attempts.received_at
                    AND (
                        change = 'destroyed'
                        OR events.record ->> 'updated_at' > attempts.params ->> 'if_updated_at'
                    )
            )
        )
        AND NOT (
            status = 'invalid-param'
            AND action = 'destroy_many'
            AND (params -> 'atomic')::boolean
            AND EXISTS (
                SELECT FROM events
                WHERE requirement_id IN (SELECT jsonb_array_elements(attempts.params -> 'ids')::bigint)
                    AND change = 'destroyed'
                    AND events.request_id IS DISTINCT FROM attempts.marker
                    AND coalesce(events.sent_at, 0) <= attempts.received_at
            )
        )
),
-- The last change of each requirement.
last AS (
    SELECT DISTINCT ON (requirement_id) requirement_id, change, record
    FROM events
    ORDER BY requirement_id, version DESC
),
requests AS MATERIALIZED (
    SELECT DISTINCT ON (intent) intent, marker, params, application_id, user_id, session_id
    FROM attempts
    WHERE intent IS NOT NULL AND action <> 'create'
),
changed AS MATERIALIZED (
    SELECT
        marker, after.change, params, before.record AS before, before.change AS change_before, after.record AS after,
        (requests.application_id, requests.user_id, requests.session_id)
        IS DISTINCT FROM (after.application_id, after.user_id, after.session_id) AS other_caller
    FROM requests
    JOIN events AS after USING (intent)
    LEFT JOIN LATERAL (
        SELECT events.record, events.change
        FROM events
        WHERE events.requirement_id = after.requirement_id AND events.version = after.version - 1
    ) AS before ON true
),
-- How many changes each batch makes if it is carried out; a destroy_many only if it is atomic, else it is not known.
batches AS MATERIALIZED (
    SELECT
        calls.marker,
        CASE action
            WHEN 'destroy_many' THEN jsonb_array_length(params -> 'ids')
            ELSE (
                SELECT count(DISTINCT intent) FROM attempts AS items
                WHERE starts_with(items.intent, calls.marker || '.') AND items.expected_status = 'action-successful'
            )
        END AS size,
        (SELECT count(*) FROM events WHERE request_id = calls.marker) AS events
    FROM (
        SELECT DISTINCT marker, action, params FROM attempts
        WHERE action = 'create_many' OR (action = 'destroy_many' AND (params -> 'atomic')::boolean)
    ) AS calls
),
syncs AS MATERIALIZED (
    SELECT *, (params -> 'dry_run')::boolean AS dry
    FROM attempts WHERE action = 'sync'
),
synced AS MATERIALIZED (
    SELECT marker, outcome, outcome_header, dry, result ->> 'change' AS change, result -> 'requirement' AS requirement, data
    FROM syncs CROSS JOIN jsonb_array_elements(data -> 'results') AS result
    WHERE outcome = 'ok'
),
seen AS MATERIALIZED (
    SELECT
        shown.*,
        (
            SELECT min(version) FROM events
            WHERE events.requirement_id = shown.requirement_id AND events.record = shown.record
        ) AS version
    FROM shown
)
SELECT format('acknowledged, but no %s', thing) AS kind, marker, NULL AS details
FROM intents WHERE acknowledged AND events = 0
UNION ALL
SELECT format('more than one %s', thing), marker, counted.ids::text
FROM intents JOIN counted USING (intent) WHERE counted.events > 1
UNION ALL
SELECT format('failed, but %s exists', thing), marker, counted.ids::text
FROM intents JOIN counted USING (intent) WHERE NOT acknowledged AND NOT unsettled
UNION ALL
SELECT
    CASE action WHEN 'create' THEN 'answer differs from row' ELSE 'answer differs from event' END,
    marker, format('answered %s, recorded is %s', attempts.data, record)
FROM attempts JOIN events USING (intent)
WHERE outcome = 'ok' AND attempts.data <> record
    AND outcome_header <> 'none' AND NOT (action = 'create' AND outcome_header = 'replayed')
UNION ALL
SELECT 'row differs from request', marker, format('sent %s, row is %s', attempts.params, record)
FROM attempts JOIN events USING (intent)
WHERE action = 'create'
    AND (
        NOT attempts.params @> (record - '{id,created_at,updated_at}'::text[])
        OR (attempts.application_id, attempts.user_id, attempts.session_id)
            IS DISTINCT FROM (events.application_id, events.user_id, events.session_id)
    )
UNION ALL
SELECT
    CASE thing WHEN 'row' THEN 'created more than once' ELSE 'changed more than once' END,
    marker, format('%s times', made)
FROM intents WHERE made > 1
UNION ALL
SELECT 'answered with several ids', marker, format('%s ids', answered_ids)
FROM intents WHERE answered_ids > 1
UNION ALL
SELECT 'several rows for one Idempotency-Key', min(marker), format('%s: %s', idempotency_key, array_agg(DISTINCT event_id))
FROM attempts JOIN events USING (intent)
WHERE idempotency_key IS NOT NULL
GROUP BY caller, idempotency_key
HAVING count(DISTINCT event_id) > 1
UNION ALL
SELECT 'not in the history', events.intent, format('%s id %s', change, events.requirement_id)
FROM events WHERE $1 AND NOT EXISTS (SELECT FROM attempts WHERE attempts.intent = events.intent)
UNION ALL
SELECT 'answer violates the contract', marker, format('%s %s %s', action, status, outcome_header)
FROM attempts WHERE outcome = 'violation'
UNION ALL
SELECT 'succeeded, but must be refused', marker, format('expected %s', expected_status)
FROM attempts WHERE outcome = 'ok' AND expected_status <> 'action-successful'
UNION ALL
SELECT 'unexpected refusal', marker, format('%s: %s %s instead of %s', caller, action, status, expected_status)
FROM unexpected_refusals
UNION ALL
SELECT 'succeeded after a change forbade it', marker, format('%s: must be %s', subject, rules.status)
FROM attempts JOIN rules ON subject IN (attempts.caller, 'everyone')
WHERE must AND outcome = 'ok' AND since <= sent_at AND received_at <= until
-- Changes.
UNION ALL
SELECT 'not replayed', marker, format('answered %s', attempts.data)
FROM attempts JOIN events USING (intent)
WHERE outcome = 'ok' AND outcome_header = 'none' AND acknowledged_at < attempts.sent_at
UNION ALL
SELECT 'change differs from request', marker, format('sent %s, before %s, after %s', params, before, after)
FROM changed
WHERE other_caller
    OR (change = 'updated' AND after - 'updated_at' <> (before || (params - '{id,if_updated_at}'::text[])) - 'updated_at')
    OR (change = 'destroyed' AND after <> before)
UNION ALL
SELECT 'change of another version', marker, format('sent %s, before %s', params, before)
FROM changed WHERE params ->> 'if_updated_at' <> before ->> 'updated_at'
UNION ALL
SELECT 'changed after it was destroyed', marker, format('%s', after)
FROM changed WHERE change_before = 'destroyed'
UNION ALL
SELECT 'events out of order', intent, format('change %s is told as number %s', version, place)
FROM events JOIN touched USING (requirement_id) WHERE version <> place
UNION ALL
SELECT
    'table differs from its events', requirement_id::text,
    format('%s %s, row is %s', last.change, last.record, stored.record)
FROM touched
LEFT JOIN last USING (requirement_id)
LEFT JOIN stored USING (requirement_id)
WHERE CASE last.change WHEN 'destroyed' THEN stored.record IS NOT NULL ELSE stored.record IS DISTINCT FROM last.record END
-- Batches.
UNION ALL
SELECT 'batch half written', marker, format('%s of %s changes', events, size)
FROM batches WHERE events NOT IN (0, size)
UNION ALL
SELECT 'sync half written', marker, item::text
FROM (SELECT DISTINCT marker, params FROM syncs) AS calls
CROSS JOIN jsonb_array_elements(params -> 'requirements') AS item
CROSS JOIN LATERAL (
    SELECT
        count(*) AS all_events,
        count(*) FILTER (
            WHERE change <> 'destroyed' AND record -> 'required' = item -> 'required' AND record -> 'key' = item -> 'key'
        ) AS item_events
    FROM events WHERE request_id = marker
) AS counts
-- An item whose value was sent by another request may have been there already.
WHERE all_events > 0 AND (item_events > 1 OR (item_events = 0 AND position(marker IN item ->> 'value') > 0))
UNION ALL
SELECT 'sync differs from its events', marker, format('answered %s %s', outcome_header, data)
FROM syncs
WHERE outcome = 'ok' AND NOT dry
    AND (SELECT count(*) FROM jsonb_array_elements(data -> 'results') AS result WHERE result ->> 'change' <> 'kept')
        <> CASE outcome_header WHEN 'none' THEN 0 ELSE (SELECT count(*) FROM events WHERE request_id = marker) END
UNION ALL
SELECT 'sync differs from its events', marker, format('%s %s', change, requirement)
FROM synced
WHERE change <> 'kept' AND NOT dry
    AND NOT EXISTS (
        SELECT FROM events
        WHERE request_id = marker AND events.change = synced.change AND record = requirement
    )
UNION ALL
SELECT 'sync without an item', marker, item::text
FROM syncs CROSS JOIN jsonb_array_elements(params -> 'requirements') AS item
WHERE outcome = 'ok' AND outcome_header <> 'replayed'
    AND (
        SELECT count(*) FROM jsonb_array_elements(data -> 'results') AS result
        WHERE result ->> 'change' <> 'destroyed'
            AND result -> 'requirement' @> (item || jsonb_build_object('requireable', params -> 'requireable'))
    ) <> 1
UNION ALL
SELECT 'sync left a requirement', marker, record::text
FROM syncs JOIN events ON events.key = params -> 'keys' ->> 0 AND record -> 'requireable' = params -> 'requireable'
WHERE outcome = 'ok' AND outcome_header <> 'replayed'
    AND change <> 'destroyed' AND acknowledged_at < syncs.sent_at
    AND (syncs.user_id IS NULL OR syncs.user_id = owner_user_id)
    AND NOT EXISTS (
        SELECT FROM events AS later
        WHERE later.requirement_id = events.requirement_id AND later.version > events.version
            AND coalesce(later.sent_at, 0) <= received_at
    )
    AND NOT data -> 'results' @> jsonb_build_array(
        jsonb_build_object('requirement', jsonb_build_object('id', events.requirement_id))
    )
-- Reads.
UNION ALL
SELECT 'shown, but never so', marker, seen.record::text
FROM seen WHERE version IS NULL
UNION ALL
SELECT 'shown another requirement', marker, data::text
FROM attempts WHERE outcome = 'ok' AND action = 'read' AND (data ->> 'id')::bigint <> requirement_id
UNION ALL
SELECT 'acknowledged change not shown', marker, format('shown %s, but %s %s', seen.record, change, events.record)
FROM seen JOIN events USING (requirement_id)
WHERE NOT replayed AND events.version > seen.version
    AND acknowledged_at < seen.sent_at - CASE WHEN may_lag THEN $2::double precision ELSE 0 END
UNION ALL
SELECT 'listed, but does not belong there', marker, item::text
FROM attempts CROSS JOIN jsonb_array_elements(data -> 'results') AS item
WHERE outcome = 'ok' AND action = 'index'
    AND (
        item ->> 'key' IS DISTINCT FROM params ->> 'key'
        OR (
            user_id IS NOT NULL
            AND user_id IS DISTINCT FROM (
                SELECT owner_user_id FROM events WHERE requirement_id = (item ->> 'id')::bigint AND version = 1
            )
        )
    )
UNION ALL
SELECT 'not listed', marker, format('%s %s', change, record)
FROM attempts JOIN events ON events.key = params ->> 'key'
WHERE outcome = 'ok' AND action = 'index' AND (data -> 'complete')::boolean
    AND change <> 'destroyed' AND acknowledged_at < attempts.sent_at - $2::double precision
    AND (attempts.user_id IS NULL OR attempts.user_id = owner_user_id)
    AND NOT EXISTS (
        SELECT FROM events AS later
        WHERE later.requirement_id = events.requirement_id AND later.version > events.version
            AND coalesce(later.sent_at, 0) <= received_at
    )
    AND NOT data -> 'results' @> jsonb_build_array(jsonb_build_object('id', events.requirement_id));
