-- Every way in which the history of a run and the table contradict each other, one row each.
-- $1: whether the history is all of it, so that each row of the table must be in there.
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
        ) AS told
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
        count(*) FILTER (WHERE outcome = 'ok' AND told = 'created') AS created,
        count(DISTINCT data ->> 'id') AS answered_ids,
        count(*) AS attempts,
        bool_and(idempotency_key IS NULL) AS unkeyed,
        coalesce(max(counted.rows), 0) AS rows
    FROM attempts
    LEFT JOIN counted USING (marker)
    GROUP BY marker
),
-- A verdict about a caller or a route that was neither expected nor brought about by a change at the time.
misjudged AS (
    SELECT attempts.*
    FROM attempts
    WHERE outcome = 'fail'
        AND status NOT IN ('application-crash', 'identify-request-error', 'not sent', 'body never sent whole')
        AND status <> want
        AND NOT EXISTS (
            SELECT FROM rules
            WHERE subject IN (attempts.caller, 'everyone') AND rules.status = attempts.status
                AND since <= saw_at AND sent_at <= until
        )
)
SELECT 'acknowledged, but not there' AS kind, marker, NULL AS details
FROM intents WHERE acknowledged AND rows = 0
UNION ALL
SELECT 'more than one row', marker, counted.ids::text
FROM intents JOIN counted USING (marker) WHERE counted.rows > 1
UNION ALL
SELECT 'failed, but there', marker, counted.ids::text
FROM intents JOIN counted USING (marker) WHERE NOT acknowledged AND NOT unsettled
UNION ALL
SELECT 'answered unlike its row', marker, format('answered %s, is %s', attempts.data, recorded.told)
FROM attempts JOIN recorded USING (marker)
WHERE attempts.outcome = 'ok' AND attempts.data <> recorded.told
UNION ALL
SELECT 'recorded unlike what was sent', marker, format('sent %s, is %s', attempts.params, recorded.told)
FROM attempts JOIN recorded USING (marker)
WHERE NOT attempts.params @> (recorded.told - '{id,created_at,updated_at}'::text[])
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
SELECT 'no answer that the contract knows', marker, format('%s %s', status, told)
FROM attempts WHERE outcome = 'violation'
UNION ALL
SELECT 'succeeded, but must not', marker, format('wanted %s', want)
FROM attempts WHERE outcome = 'ok' AND want <> 'action-successful'
UNION ALL
SELECT 'misjudged', marker, format('%s: %s instead of %s', caller, status, want)
FROM misjudged
UNION ALL
SELECT 'succeeded against a rule', marker, format('%s: must be %s', subject, rules.status)
FROM attempts JOIN rules ON subject IN (attempts.caller, 'everyone')
WHERE must AND outcome = 'ok' AND since <= sent_at AND saw_at <= until;
