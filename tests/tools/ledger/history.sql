-- The history of a run, to be compared with the table requirements of the same database.

CREATE TEMPORARY TABLE attempts (
    marker text NOT NULL,
    attempt integer NOT NULL,
    caller text NOT NULL,
    want text NOT NULL,             -- the status it has where nothing is broken
    idempotency_key text,
    params jsonb NOT NULL,
    application_id bigint,
    user_id bigint,
    session_id bigint,
    sent_at double precision NOT NULL,
    saw_at double precision,        -- null: its client never came to see anything
    outcome text NOT NULL,
    status text NOT NULL,
    told text,                      -- the header Requirement-Outcome
    data jsonb
);

CREATE TEMPORARY TABLE rules (
    subject text NOT NULL,
    status text NOT NULL,
    since double precision NOT NULL,
    until double precision NOT NULL,
    must boolean NOT NULL
);
