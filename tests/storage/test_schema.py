"""The tables that other services read and write too, compared with the contract, column by column."""

import asyncpg
import pytest

ID = "id bigint identity"
STAMPS = "created_at timestamptz now(), updated_at timestamptz now()"

# Each column with its type and its default; `null` where it may be, `identity` where the database numbers it.
TABLES = {
    "services": f"{ID}, name text, deployed_at timestamptz null, {STAMPS}",
    "routes": f"{ID}, service_id bigint, version text, action text, sensitive_params boolean false, "
    f"deployed_at timestamptz null, {STAMPS}",
    "users": f"{ID}, email text, {STAMPS}",
    "clients": f"{ID}, user_id bigint, {STAMPS}",
    "employees": f"{ID}, user_id bigint, {STAMPS}",
    "liaisons": f"{ID}, user_id bigint, {STAMPS}",
    "applications": f"{ID}, slug text, name text, active boolean true, {STAMPS}",
    "application_tokens": f"{ID}, application_id bigint, token_digest bytea, created_at timestamptz now(), "
    "revoked_at timestamptz null",
    "sessions": f"{ID}, user_id bigint, application_id bigint null, token_digest bytea, remember_me boolean false, "
    "created_at timestamptz now(), last_used_at timestamptz now(), revoked_at timestamptz null",
    "requirements": f"{ID}, required_type text, required_id bigint, requireable_type text, requireable_id bigint, "
    "key text null, value text null, application_id bigint null, user_id bigint null, session_id bigint null, "
    f"request_uid uuid gen_random_uuid(), params_digest bytea null, {STAMPS}",
    "emails": f"{ID}, requirement_id bigint, state text 'pending', attempts integer 0, leased_until timestamptz now(), "
    f"last_error text null, {STAMPS}, recipients text[] '{{}}', accepted text[] '{{}}', sending boolean false, "
    "sent_at timestamptz null",
    "notifications": f"{ID}, kind text, message text, request_id text null, count bigint 1, details jsonb '{{}}', "
    "created_at timestamptz now(), acknowledged_at timestamptz null, cause text null",
    "notification_windows": "kind text, cause text, opened_at timestamptz now()",
    "audit": f"{ID}, actor text, action text, details jsonb '{{}}', created_at timestamptz now()",
}

RULES = {
    "services_name_key": "UNIQUE (name)",
    "routes_service_id_version_action_key": "UNIQUE (service_id, version, action)",
    "routes_service_id_fkey": "FOREIGN KEY (service_id) REFERENCES services(id) ON DELETE CASCADE",
    "users_email_key": "UNIQUE (email)",
    "clients_user_id_key": "UNIQUE (user_id)",
    "clients_user_id_fkey": "FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE",
    "employees_user_id_key": "UNIQUE (user_id)",
    "employees_user_id_fkey": "FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE",
    "liaisons_user_id_key": "UNIQUE (user_id)",
    "liaisons_user_id_fkey": "FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE",
    "applications_slug_key": "UNIQUE (slug)",
    "application_tokens_token_digest_key": "UNIQUE (token_digest)",
    "application_tokens_application_id_fkey": "FOREIGN KEY (application_id) REFERENCES applications(id) "
    "ON DELETE CASCADE",
    "sessions_token_digest_key": "UNIQUE (token_digest)",
    "sessions_user_id_fkey": "FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE",
    "sessions_application_id_fkey": "FOREIGN KEY (application_id) REFERENCES applications(id) ON DELETE CASCADE",
    "requirements_request_uid_key": "UNIQUE (request_uid)",
    "requirements_key_length": "CHECK ((char_length(key) <= 255))",
    "requirements_value_length": "CHECK ((char_length(value) <= 4096))",
    "emails_requirement_id_fkey": "FOREIGN KEY (requirement_id) REFERENCES requirements(id) ON DELETE CASCADE",
    "emails_state": "CHECK ((state = ANY (ARRAY['pending'::text, 'sent'::text, 'dead'::text])))",
    **{f"{table}_pkey": "PRIMARY KEY (id)" for table in TABLES},
    "notification_windows_pkey": "PRIMARY KEY (kind, cause)",
}

COLUMNS = """
SELECT string_agg(
    concat_ws(' ', column_name,
        replace(replace(data_type, 'timestamp with time zone', 'timestamptz'), 'ARRAY', 'text[]'),
        split_part(column_default, '::', 1),
        CASE WHEN identity_generation = 'BY DEFAULT' THEN 'identity' END, CASE is_nullable WHEN 'YES' THEN 'null' END),
    ', ' ORDER BY ordinal_position)
FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1
"""

# NOT NULL, a constraint from PostgreSQL 18 on, is told with the columns.
CONSTRAINTS = """
SELECT conname, contype, conrelid::regclass::text AS table_name, pg_get_constraintdef(oid) AS definition,
    ARRAY(SELECT attname::text FROM unnest(conkey) WITH ORDINALITY AS part (number, place)
          JOIN pg_attribute ON attrelid = conrelid AND attnum = number ORDER BY place) AS columns
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
"""

UNINDEXED = """
SELECT conname FROM pg_constraint
WHERE contype = 'f' AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = conrelid AND indkey[0] = conkey[1])
"""


def conventional_name(row: asyncpg.Record) -> str:
    """What a constraint is to be called, from what it is; a check is named after its table and its rule."""
    ending = {"p": "pkey", "u": "key", "f": "fkey"}.get(row["contype"].decode())
    if ending is None:
        return str(row["conname"]) if row["conname"].startswith(f"{row['table_name']}_") else "<table>_<rule>"
    return "_".join([row["table_name"], *([] if ending == "pkey" else row["columns"]), ending])


@pytest.mark.parametrize("table", TABLES)
async def test_columns_are_those_of_the_contract(table: str, connection: asyncpg.Connection) -> None:
    """Each column has the contract's name, type, nullability and default."""
    assert await connection.fetchval(COLUMNS, table) == TABLES[table]


async def test_rules_are_those_of_the_contract(connection: asyncpg.Connection) -> None:
    """What is unique, what refers to what and goes with it, and what is checked."""
    rows = await connection.fetch(CONSTRAINTS)
    rules = {row["conname"]: row["definition"] for row in rows if row["table_name"] in TABLES}
    assert rules == RULES


async def test_every_constraint_is_named_by_convention(connection: asyncpg.Connection) -> None:
    """A broken rule is told by its name: the table, the columns and the kind, or the table and the rule."""
    rows = await connection.fetch(CONSTRAINTS)
    assert [row["conname"] for row in rows] == [conventional_name(row) for row in rows]
    assert not [row["conname"] for row in rows if row["conname"].endswith(("_check", "_check1", "_key1", "_fkey1"))]


async def test_every_reference_can_be_followed_backwards(connection: asyncpg.Connection) -> None:
    """Deleting a record finds what goes with it by an index."""
    assert await connection.fetch(UNINDEXED) == []


@pytest.mark.parametrize("end", ["required", "requireable"])
async def test_requirements_are_found_from_either_end(end: str, connection: asyncpg.Connection) -> None:
    """What a thing requires, and what requires it, is an index scan."""
    await connection.execute("SET enable_seqscan = off")
    query = f"EXPLAIN SELECT * FROM requirements WHERE {end}_type = 'User' AND {end}_id = 1"  # noqa: S608 - a name of ours
    plan = "\n".join(row[0] for row in await connection.fetch(query))
    assert f"requirements_{end}_idx" in plan


async def test_no_extension_is_needed(connection: asyncpg.Connection) -> None:
    """The schema stands on PostgreSQL alone."""
    assert [row["extname"] for row in await connection.fetch("SELECT extname FROM pg_extension")] == ["plpgsql"]
