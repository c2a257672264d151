-- Temporary tables for the history of a run, to be compared with the tables of the same database.

CREATE TEMPORARY TABLE attempts (
    marker text NOT NULL,
    attempt integer NOT NULL,
    action text NOT NULL,
    intent text,                    -- identifies a change; null: the request changes nothing itself
    requirement_id bigint,          -- the id that was sent
    caller text NOT NULL,
    expected_status text NOT NULL,  -- the status without any fault
    idempotency_key text,
    params jsonb NOT NULL,
    application_id bigint,
    user_id bigint,
    session_id bigint,
    sent_at double precision NOT NULL,
    received_at double precision,   -- null: the client recorded no result
    outcome text NOT NULL,
    status text NOT NULL,
    outcome_header text,            -- Requirement-Outcome
    data jsonb
);

CREATE TEMPORARY TABLE rules (
    subject text NOT NULL,
    status text NOT NULL,
    since double precision NOT NULL,
    until double precision NOT NULL,
    must boolean NOT NULL
);
