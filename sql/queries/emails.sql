-- name: claim_emails
-- Lease due e-mails and count the attempt. Until the lease expires, no other process sends them.
--   $1  bigint    maximum number of rows
--   $2  interval  lease time
-- Returns the recipients that have not been accepted yet, in their order, and the requirement.
-- The number of attempts stops at the largest integer: an error here would hold up every due e-mail.
WITH due AS MATERIALIZED (
    SELECT id
    FROM emails
    WHERE state = 'pending' AND leased_until <= now()
    ORDER BY leased_until
    LIMIT $1
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE emails
SET attempts = least(emails.attempts, 2147483646) + 1, sending = true, leased_until = now() + $2::interval, updated_at = now()
FROM due, requirements
WHERE emails.id = due.id AND requirements.id = emails.requirement_id
RETURNING
    emails.id AS email_id,
    emails.attempts,
    ARRAY(
        SELECT address FROM unnest(emails.recipients) WITH ORDINALITY AS listed (address, place)
        WHERE address <> ALL (emails.accepted)
        ORDER BY place
    ) AS recipients,
    requirements.id,
    requirements.required_type,
    requirements.required_id,
    requirements.requireable_type,
    requirements.requireable_id,
    requirements.key,
    requirements.value,
    requirements.created_at,
    requirements.updated_at,
    requirements.params_digest;

-- name: settle_email
-- Store the result of an attempt at an e-mail.
--   $1   bigint    id
--   $2   integer   number of the attempt
--   $3   text[]    recipients accepted in this attempt
--   $4   boolean   whether to give the e-mail up if recipients are left
--   $5   interval  time to the next attempt otherwise
--   $6   text      reason of the failure, or null
--   $7   text      kind of the notification to create unless the e-mail is sent; null: none
--   $8   text      message of the notification
--   $9   text      request_id of the notification, or null
--   $10  jsonb     details of the notification
-- Accepted recipients are stored whenever the result arrives. The rest is stored only for the current attempt, and once:
-- running the statement again changes nothing.
WITH settled AS (
    UPDATE emails
    SET accepted = ARRAY(SELECT DISTINCT unnest(accepted || $3::text[])),
        state = CASE
            WHEN recipients <> '{}' AND recipients <@ (accepted || $3::text[]) THEN 'sent'
            WHEN sending AND attempts = $2 AND state = 'pending' AND $4 THEN 'dead'
            ELSE state
        END,
        sent_at = CASE
            WHEN recipients <> '{}' AND recipients <@ (accepted || $3::text[]) THEN coalesce(sent_at, now())
        END,
        leased_until = CASE WHEN sending AND attempts = $2 THEN now() + $5::interval ELSE leased_until END,
        last_error = CASE WHEN sending AND attempts = $2 THEN $6 ELSE last_error END,
        sending = sending AND attempts <> $2,
        updated_at = now()
    WHERE id = $1 AND ((sending AND attempts = $2) OR NOT $3::text[] <@ accepted)
    RETURNING state, attempts
),
notified AS (
    INSERT INTO notifications (kind, message, request_id, details)
    SELECT $7, $8, $9, $10::jsonb
    FROM settled
    WHERE $7::text IS NOT NULL AND state <> 'sent' AND attempts = $2
)
SELECT state FROM settled;

-- name: find_own_email
-- The e-mail of a requirement, if its first attempt is under way.
--   $1  bigint  requirement_id
SELECT id FROM emails WHERE requirement_id = $1 AND state = 'pending' AND sending AND attempts = 1;

-- name: list_emails
-- A page of e-mails, newest first.
--   $1  text    only this state; null: all states
--   $2  bigint  maximum number of rows
--   $3  bigint  return rows before this id
SELECT
    id, requirement_id, state, attempts, sending, leased_until, last_error, recipients, accepted, created_at, sent_at
FROM emails
WHERE ($1::text IS NULL OR state = $1) AND id < $3
ORDER BY id DESC
LIMIT $2;

-- name: retry_emails
-- Make e-mails due now, with their attempts counted from 0: dead ones, and pending ones that are not being sent.
--   $1  bigint[]  ids; null: all of them
UPDATE emails
SET state = 'pending', attempts = 0, sending = false, leased_until = now(), updated_at = now()
WHERE ($1::bigint[] IS NULL OR id = ANY ($1))
    AND (state = 'dead' OR (state = 'pending' AND (NOT sending OR leased_until <= now())))
RETURNING id;
