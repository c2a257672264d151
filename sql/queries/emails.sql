-- name: claim_emails
-- Take up to $1 e-mails that are due, for $2 during which nobody else does, and count the attempt.
WITH due AS MATERIALIZED (
    SELECT id
    FROM emails
    WHERE state = 'pending' AND leased_until <= now()
    ORDER BY leased_until
    LIMIT $1
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE emails
SET attempts = emails.attempts + 1, sending = true, leased_until = now() + $2::interval, updated_at = now()
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
-- Record what came of attempt $2 at the e-mail $1: $3 accepted it. Unless all have now, it is due again in $5, or with
-- $4 dead, for the reason $6; and unless $7 is null there is a notification of that kind.
-- Only the attempt under way counts, once: running this again changes nothing. An acceptance counts whenever it comes.
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
-- The e-mail that was written with the requirement $1, if its first attempt is still to be made.
SELECT id FROM emails WHERE requirement_id = $1 AND state = 'pending' AND sending AND attempts = 1;

-- name: list_emails
-- The latest $2 e-mails, only those of the state $1 where it is not null.
SELECT
    id, requirement_id, state, attempts, sending, leased_until, last_error, recipients, accepted, created_at, sent_at
FROM emails
WHERE $1::text IS NULL OR state = $1
ORDER BY id DESC
LIMIT $2;

-- name: retry_emails
-- Have the e-mails $1, or all where it is null, sent at once and as often as new ones: dead ones, and those that wait.
UPDATE emails
SET state = 'pending', attempts = 0, sending = false, leased_until = now(), updated_at = now()
WHERE ($1::bigint[] IS NULL OR id = ANY ($1))
    AND (state = 'dead' OR (state = 'pending' AND (NOT sending OR leased_until <= now())))
RETURNING id;
