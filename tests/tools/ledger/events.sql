-- Temporary tables with what happened, by the tables of the service, and what clients were shown of it.

-- All changes, as the service recorded them. A requirement that was not changed since its creation is its own event.
-- `record` is the requirement after the change; if it was destroyed, before. A value begins with the marker of the create
-- that it was created by, which begins with that of the request; a sync may create a requirement with any value.
CREATE TEMPORARY TABLE recorded AS
WITH changed AS (
    SELECT
        id AS event_id, transaction_id, change, requirement_id, required_type, required_id, requireable_type,
        requireable_id, key, value, created_at, updated_at, owner_user_id, application_id, user_id, session_id,
        request_id
    FROM changes
    -- What other software does beside the load is not in the history. The follower of the change feed checks it.
    WHERE coalesce(value, '') NOT LIKE 'other software%'
    UNION ALL
    SELECT
        change_id, transaction_id, 'created', id, required_type, required_id, requireable_type, requireable_id, key,
        value, created_at, updated_at, user_id, application_id, user_id, session_id, request_id
    FROM requirements
    WHERE change_id IS NOT NULL AND coalesce(value, '') NOT LIKE 'other software%'
)
SELECT
    *,
    CASE
        WHEN
            change = 'created'
            AND coalesce(split_part(value, ' ', 1) = request_id OR starts_with(value, request_id || '.'), true)
        THEN split_part(value, ' ', 1)
        ELSE format('%s/%s', coalesce(request_id, 'no request'), requirement_id)
    END AS intent,
    jsonb_build_object(
        'id', requirement_id,
        'required', jsonb_build_object('type', required_type, 'id', required_id),
        'requireable', jsonb_build_object('type', requireable_type, 'id', requireable_id),
        'key', key,
        'value', value,
        'created_at', to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'updated_at', to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    ) AS record
FROM changed;
CREATE INDEX ON recorded (request_id);
ANALYZE recorded;

-- A sync finds out what is to be changed. Each attempt at one has a row for each of its changes, as other requests have.
INSERT INTO attempts (
    marker, attempt, action, intent, requirement_id, caller, expected_status, idempotency_key, params, application_id,
    user_id, session_id, sent_at, received_at, outcome, status, outcome_header, data
)
SELECT
    marker,
    attempt,
    CASE change WHEN 'created' THEN 'create' WHEN 'updated' THEN 'update' ELSE 'destroy' END,
    recorded.intent,
    recorded.requirement_id,
    caller,
    -- The refusal of a call is judged once, not for each of its changes.
    CASE outcome WHEN 'ok' THEN expected_status ELSE status END,
    idempotency_key || '.' || coalesce(item.place, -recorded.requirement_id),
    -- A requirement that no item asks for has no params, and differs from them.
    CASE change
        WHEN 'created' THEN coalesce(
            item.params || jsonb_build_object('requireable', attempts.params -> 'requireable'), '{"no": "item"}'
        )
        WHEN 'updated' THEN jsonb_build_object('id', recorded.requirement_id, 'value', item.params -> 'value')
        ELSE jsonb_build_object('id', recorded.requirement_id)
    END,
    attempts.application_id,
    attempts.user_id,
    attempts.session_id,
    sent_at,
    received_at,
    CASE WHEN outcome = 'ok' AND (attempts.params -> 'dry_run')::boolean THEN 'fail' ELSE outcome END,
    status,
    CASE WHEN outcome = 'ok' AND outcome_header NOT IN ('none', 'replayed') THEN change ELSE outcome_header END,
    CASE WHEN outcome = 'ok' AND outcome_header <> 'none' THEN record END
FROM attempts
JOIN recorded ON recorded.request_id = attempts.marker
LEFT JOIN LATERAL (
    SELECT listed.params, listed.place
    FROM jsonb_array_elements(attempts.params -> 'requirements') WITH ORDINALITY AS listed (params, place)
    WHERE listed.params -> 'required' = record -> 'required' AND listed.params -> 'key' = record -> 'key'
) AS item ON change <> 'destroyed'
WHERE action = 'sync';

CREATE INDEX ON attempts (intent);
CREATE INDEX ON attempts (requirement_id);
ANALYZE attempts;

-- `version` counts the changes of one requirement, `place` does so in the order of the change feed.
CREATE TEMPORARY TABLE events AS
SELECT
    event_id,
    change,
    requirement_id,
    intent,
    request_id,
    key,
    owner_user_id,
    application_id,
    user_id,
    session_id,
    record,
    row_number() OVER (PARTITION BY requirement_id ORDER BY updated_at, change = 'destroyed') AS version,
    row_number() OVER (PARTITION BY requirement_id ORDER BY transaction_id, event_id) AS place,
    -- When clients sent the request of this change, and when the first of them got its acknowledgement; null: not known.
    sent_at,
    acknowledged_at
FROM recorded
LEFT JOIN (
    SELECT
        intent,
        min(sent_at) AS sent_at,
        min(received_at) FILTER (WHERE outcome = 'ok' AND outcome_header <> 'none') AS acknowledged_at
    FROM attempts
    GROUP BY intent
) AS requests USING (intent);
CREATE INDEX ON events (requirement_id, version);
CREATE INDEX ON events (intent);
CREATE INDEX ON events (request_id);
CREATE INDEX ON events (key);
ANALYZE events;

-- The rows of the table.
CREATE TEMPORARY TABLE stored AS
SELECT
    id AS requirement_id,
    jsonb_build_object(
        'id', id,
        'required', jsonb_build_object('type', required_type, 'id', required_id),
        'requireable', jsonb_build_object('type', requireable_type, 'id', requireable_id),
        'key', key,
        'value', value,
        'created_at', to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'updated_at', to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    ) AS record
FROM requirements;
CREATE INDEX ON stored (requirement_id);
ANALYZE stored;

-- What clients were shown without changing it themselves: by a read, a list, an update that changed nothing, a sync that
-- kept it, or a repeated create, which returns the requirement as it is now, or as it was before it was destroyed.
CREATE TEMPORARY TABLE shown AS
SELECT
    marker, (data ->> 'id')::bigint AS requirement_id, data AS record, sent_at, received_at,
    outcome_header IS NOT DISTINCT FROM 'replayed' AS replayed, action = 'read' AS may_lag
FROM attempts
WHERE
    outcome = 'ok'
    AND data IS NOT NULL
    AND (
        action = 'read'
        OR (action = 'update' AND outcome_header = 'none')
        OR (action = 'create' AND outcome_header = 'replayed')
    )
UNION ALL
SELECT marker, (item ->> 'id')::bigint, item, sent_at, received_at, false, true
FROM attempts CROSS JOIN jsonb_array_elements(data -> 'results') AS item
WHERE outcome = 'ok' AND action = 'index'
UNION ALL
SELECT marker, (result -> 'requirement' ->> 'id')::bigint, result -> 'requirement', sent_at, received_at, false, false
FROM attempts CROSS JOIN jsonb_array_elements(data -> 'results') AS result
WHERE
    outcome = 'ok'
    AND action = 'sync'
    AND (result ->> 'change' = 'kept' OR ((params -> 'dry_run')::boolean AND result ->> 'change' = 'destroyed'));
CREATE INDEX ON shown (requirement_id);
ANALYZE shown;
