-- Return one row for each contradiction between the history of a run and the table requirements.
-- $1 boolean: the history is complete, so that every row of the table must be in it.
WITH recorded AS MATERIALIZED (
    SELECT
        requirements.*,
        split_part(value, ' ', 1) AS marker,
        jsonb_build_object(
            'id', id,
            'required', jsonb_build_object('type', required_type, 'id', required_id),
            'requireable', jsonb_build_object('type', requireable_type, 'id', requireable_id),
            'key', key,
            'value', value,
            'created_at', to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'updated_at', to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        ) AS record
    FROM requirements
),
counted AS (
    SELECT marker, count(*) AS rows, array_agg(id ORDER BY id) AS ids
    FROM recorded
    GROUP BY marker
),
intents AS MATERIALIZED (
    SELECT
        marker,
        bool_or(outcome = 'ok') AS acknowledged,
        bool_or(outcome = 'unknown') AS unsettled,
        count(*) FILTER (WHERE outcome = 'ok' AND outcome_header = 'created') AS created,
        count(DISTINCT data ->> 'id') AS answered_ids,
        count(*) AS attempts,
        bool_and(idempotency_key IS NULL) AS unkeyed,
        coalesce(max(counted.rows), 0) AS rows
    FROM attempts
    LEFT JOIN counted USING (marker)
    GROUP BY marker
),
-- Refusals of a caller or route that were neither expected nor explained by a concurrent change.
unexpected_refusals AS (
    SELECT attempts.*
    FROM attempts
    WHERE outcome = 'fail'
        AND status NOT IN ('application-crash', 'identify-request-error', 'not sent', 'body incomplete')
        AND status <> expected_status
        AND NOT EXISTS (
            SELECT FROM rules
            WHERE subject IN (attempts.caller, 'everyone') AND rules.status = attempts.status
                AND since <= received_at AND sent_at <= until
        )
)
SELECT 'acknowledged, but no row' AS kind, marker, NULL AS details
FROM intents WHERE acknowledged AND rows = 0
UNION ALL
SELECT 'more than one row', marker, counted.ids::text
FROM intents JOIN counted USING (marker) WHERE counted.rows > 1
UNION ALL
SELECT 'failed, but row exists', marker, counted.ids::text
FROM intents JOIN counted USING (marker) WHERE NOT acknowledged AND NOT unsettled
UNION ALL
SELECT 'answer differs from row', marker, format('answered %s, row is %s', attempts.data, recorded.record)
FROM attempts JOIN recorded USING (marker)
WHERE attempts.outcome = 'ok' AND attempts.data <> recorded.record
UNION ALL
SELECT 'row differs from request', marker, format('sent %s, row is %s', attempts.params, recorded.record)
FROM attempts JOIN recorded USING (marker)
WHERE NOT attempts.params @> (recorded.record - '{id,created_at,updated_at}'::text[])
    OR (attempts.application_id, attempts.user_id, attempts.session_id)
        IS DISTINCT FROM (recorded.application_id, recorded.user_id, recorded.session_id)
UNION ALL
SELECT 'created more than once', marker, format('%s times', created)
FROM intents WHERE created > 1
UNION ALL
SELECT 'answered with several ids', marker, format('%s ids', answered_ids)
FROM intents WHERE answered_ids > 1
UNION ALL
SELECT 'several rows for one Idempotency-Key', min(marker), format('%s: %s', idempotency_key, array_agg(DISTINCT id))
FROM attempts JOIN recorded USING (marker)
WHERE idempotency_key IS NOT NULL
GROUP BY caller, idempotency_key
HAVING count(DISTINCT id) > 1
UNION ALL
SELECT 'not in the history', recorded.marker, format('id %s', id)
FROM recorded WHERE $1 AND NOT EXISTS (SELECT FROM attempts WHERE attempts.marker = recorded.marker)
UNION ALL
SELECT 'answer violates the contract', marker, format('%s %s', status, outcome_header)
FROM attempts WHERE outcome = 'violation'
UNION ALL
SELECT 'succeeded, but must be refused', marker, format('expected %s', expected_status)
FROM attempts WHERE outcome = 'ok' AND expected_status <> 'action-successful'
UNION ALL
SELECT 'unexpected refusal', marker, format('%s: %s instead of %s', caller, status, expected_status)
FROM unexpected_refusals
UNION ALL
SELECT 'succeeded after a change forbade it', marker, format('%s: must be %s', subject, rules.status)
FROM attempts JOIN rules ON subject IN (attempts.caller, 'everyone')
WHERE must AND outcome = 'ok' AND since <= sent_at AND received_at <= until;
