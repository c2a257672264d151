"""The queries in sql/queries: each is described, used by the module of its file, and fits the migrated schema."""

import ast
import re
from pathlib import Path
from typing import get_args

import asyncpg
import pytest

import service
from service.config import Config
from service.config.resources import resource
from service.database.queries import QUERIES, load_queries, quote_identifier, quote_literal
from service.storage.requirement_batches import DESTROY_BATCH, compose_locks
from service.storage.requirement_changes import compose_change, compose_operator_change
from service.storage.requirement_syncs import UPDATE_BATCH
from service.storage.requirements import Form, compose_insert
from service.storage.tokens import LOOK_UP_TOKENS

# Blocks that are inserted into other blocks at a placeholder.
PARTS = (
    "token_verdicts",
    "token_refusal",
    "token_records",
    "user_in_full",
    "user_in_short",
    "locked_references",
    "lock_references",
    "lock_reference_skip_locked",
    "find_existing",
    "find_existing_distributed",
    "lock_existing",
    "lock_existing_skip_locked",
    "lock_existing_distributed",
    "set_session_setting",
    "create_schema",
    "reference_exists",
    "reference_exists_skip_locked",
    "reference_seen",
    "index_matches",
    "scan_all",
    "scan_end",
    "scan_end_type",
    "scan_key",
    "scan_without_key",
    "scan_caller",
    "scan_created_up",
    "scan_created_down",
    "scan_updated",
    "start_by_id",
    "start_by_time",
    "target_requirement",
    "locked_requirement",
    "locked_requirement_distributed",
    "record_creation",
    "record_change",
    "change_result",
    "operator_as_caller",
)
# Blocks with placeholders for parts. test_requirement_index.py runs those of lists in every form.
LISTS = {"list_index_page", "list_set_page", "count_index", "probe_scan"}
BATCHES = {
    "create_requirement_batch",
    "check_references",
    "destroy_requirement_batch",
    "update_requirement_batch",
}
COMPOSED = {
    *("create_requirements", "create_new_requirements", "look_up_tokens", "update_requirement", "destroy_requirement"),
    *LISTS,
    *BATCHES,
}
PLACEHOLDER = re.compile(r"\{\w+\}")

FILES = sorted((resource("sql") / "queries").glob("*.sql"))
NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
SERVICE = Path(service.__file__).parent

# The blocks that modules use from another module's file: batches lock references and record changes as single calls do.
BORROWED = {
    "storage/requirement_batches": {"lock_references", "record_creation"},
    "storage/requirement_syncs": {"record_creation"},
}


def blocks_of(file: Path) -> set[str]:
    """The names of the blocks in a file."""
    return set(NAME.findall(file.read_text("utf-8")))


def uses() -> dict[str, set[str]]:
    """The blocks that each module of the service uses by name, by the module's path without suffix."""
    used: dict[str, set[str]] = {}
    for path in SERVICE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "QUERIES":
                module = path.relative_to(SERVICE).with_suffix("").as_posix()
                used.setdefault(module, set()).add(ast.literal_eval(node.slice))
    return used


def with_parts(name: str) -> str:
    """A block of lists with the parts that it can have, as far as their parameters matter."""
    of_page = {"id": "$17", "time": "$20"} if name.endswith("_page") else {}
    parts = {"scan": "scan_created_up", "start": "start_by_time", "matches": "index_matches"}
    query = QUERIES[name]
    for placeholder, value in {**{part: QUERIES[block] for part, block in parts.items()}, **of_page}.items():
        query = query.replace(f"{{{placeholder}}}", value)
    return query


async def prepare_all(connection: asyncpg.Connection, statements: dict[str, str]) -> dict[str, str]:
    """The error messages of the statements that the server cannot prepare, by name."""
    faults = {}
    for name, statement in statements.items():
        try:
            await connection.prepare(statement)
        except asyncpg.PostgresError as error:
            faults[name] = str(error)
    return faults


async def test_every_query_fits_the_schema(connection: asyncpg.Connection) -> None:
    """The server can prepare every query on the migrated tables."""
    composed = {name for name, statement in QUERIES.items() if PLACEHOLDER.search(statement)}
    assert composed - set(PARTS) == COMPOSED
    whole = {name: statement for name, statement in QUERIES.items() if name not in composed | set(PARTS)}
    assert await prepare_all(connection, whole | {"look_up_tokens": LOOK_UP_TOKENS}) == {}


async def test_queries_fit_every_association_type(connection: asyncpg.Connection, config: Config) -> None:
    """The statements of creates can be prepared for each association type, and for all types together."""
    maps = [{name: table} for name, table in config.association_tables.items()] + [config.association_tables]
    statements = {f"{form} {names}": compose_insert(names, form) for names in maps for form in get_args(Form)}
    assert await prepare_all(connection, statements) == {}


async def test_arrays_that_the_driver_knows(connection: asyncpg.Connection, config: Config) -> None:
    """The usual statements take no array but text[]: the driver would ask the server about it in each connection."""
    plain = ("touch_sessions", "take_turns", "links_to_required", "links_to_requireable", "read_chain")
    inserts = [compose_insert(config.association_tables, form) for form in get_args(Form)]
    for statement in (LOOK_UP_TOKENS, *inserts, *(QUERIES[name] for name in plain)):
        parameters = (await connection.prepare(statement)).get_parameters()
        assert {kind.name for kind in parameters if kind.kind == "array"} <= {"text[]"}, statement


async def test_changes_fit_the_schema(connection: asyncpg.Connection) -> None:
    """The statements that change a requirement can be prepared in each of their forms."""
    forms = [(destroy, wait) for destroy in (True, False) for wait in (True, False)]
    statements = {str(form): compose_change(destroy=form[0], wait=form[1]) for form in forms}
    statements |= {f"operator {destroy}": compose_operator_change(destroy=destroy) for destroy in (True, False)}
    assert await prepare_all(connection, statements) == {}


async def test_batches_fit_the_schema(connection: asyncpg.Connection, config: Config) -> None:
    """The statements of batches can be prepared, with any association types."""
    types = tuple(config.association_tables.items())
    statements = {
        f"{name} {len(chosen)}": compose_locks(QUERIES[name], chosen)
        for name in ("create_requirement_batch", "check_references")
        for chosen in (types, types[:1])
    }
    assert await prepare_all(connection, statements | {"destroy": DESTROY_BATCH, "update": UPDATE_BATCH}) == {}


async def test_a_query_that_does_not_fit_is_reported(connection: asyncpg.Connection) -> None:
    """Preparing a query with an unknown column fails, so the two tests above can fail."""
    faults = await prepare_all(connection, {"good": "SELECT id FROM users", "bad": "SELECT nothing FROM users"})
    assert faults == {"bad": 'column "nothing" does not exist'}


def test_names_used_are_names_defined() -> None:
    """Every query is used, and every name used is defined."""
    assert set().union(*uses().values()) == QUERIES.keys()


def test_every_file_has_its_module() -> None:
    """The queries of X.sql are those of storage/X.py or database/X.py, and only that module uses them."""
    modules = {f"{folder}/{file.stem}": file for file in FILES for folder in ("storage", "database")}
    borrowed = {module: names for module, names in BORROWED.items() if names <= uses()[module]}
    assert borrowed == BORROWED
    own = {module: names - BORROWED.get(module, set()) for module, names in uses().items()}
    assert own == {module: blocks_of(file) for module, file in modules.items() if module in own}
    assert [module.split("/")[1] for module in sorted(own, key=lambda module: module.split("/")[1])] == [
        file.stem for file in FILES
    ]


def test_every_query_is_described() -> None:
    """A comment below each query's name says what the query does."""
    texts = [path.read_text("utf-8") for path in FILES]
    names = [name for text in texts for name in NAME.findall(text)]
    described = [name for text in texts for name in re.findall(r"^-- name: (\w+)\n-- \w+", text, re.MULTILINE)]
    assert described == names
    assert sorted(names) == sorted(QUERIES)


def test_every_parameter_is_described() -> None:
    """The comment of each query lists all its parameters and placeholders, in order, one a line, with their types."""
    for file in FILES:
        _, *blocks = NAME.split(file.read_text("utf-8"))
        for name, block in zip(blocks[::2], blocks[1::2], strict=True):
            listed = re.findall(r"^--   (\$\d+)  +[a-z]+(?:\[\])?  +\S", block, re.MULTILINE)
            used = set(re.findall(r"\$\d+", QUERIES[name] if name not in LISTS else with_parts(name)))
            if name not in LISTS and PLACEHOLDER.search(QUERIES[name]) and name not in PARTS:
                used |= set().union(*(re.findall(r"\$\d+", QUERIES[part]) for part in PARTS if part in block))
            if name not in PARTS:
                assert listed == sorted(used, key=lambda parameter: int(parameter[1:])), name
            placeholders = set(re.findall(r"^--   (\{\w+\})  +\S", block, re.MULTILINE))
            assert placeholders == set(PLACEHOLDER.findall(QUERIES[name])), name


def test_comments_are_removed(tmp_path: Path) -> None:
    """Lines that begin with `--` are removed from a block. A `--` inside a line is kept."""
    (tmp_path / "some.sql").write_text(
        "-- name: one\n-- Says one.\nSELECT '--', $1;\n\n-- name: two\n-- Two.\nSELECT 2\n"
    )
    assert load_queries(tmp_path) == {"one": "SELECT '--', $1", "two": "SELECT 2"}


def test_duplicate_names_are_rejected(tmp_path: Path) -> None:
    """Two blocks with the same name are an error."""
    for file in ("a.sql", "b.sql"):
        (tmp_path / file).write_text("-- name: same\n-- Same.\nSELECT 1;\n")
    with pytest.raises(ValueError, match=r"b\.sql: another block is named same"):
        load_queries(tmp_path)


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("orders", '"orders"'), ("shop.orders", '"shop"."orders"'), ('o"; DROP', '"o""; DROP"')],
)
def test_identifiers_are_quoted(name: str, quoted: str) -> None:
    """The name of a configured table is quoted as an identifier, whatever characters it contains."""
    assert quote_identifier(name) == quoted


async def test_literals_are_quoted(connection: asyncpg.Connection) -> None:
    """The name of a configured association type is quoted as a literal, whatever characters it contains."""
    for text in ("Order", "O'Brien", "back\\slash", "'; SELECT 1; --"):
        assert await connection.fetchval(f"SELECT {quote_literal(text)}") == text


def test_every_change_is_in_order() -> None:
    """Each statement that records a change says of which transaction, so that it comes after the change before it."""
    columns = [
        (name, written)
        for name, statement in QUERIES.items()
        for written in re.findall(r"INSERT INTO changes \(\s*([^)]*)\)", statement)
    ]
    assert len(columns) >= 4
    assert [name for name, written in columns if not re.match(r"(id, )?transaction_id,", written)] == []
    assert [name for name, statement in QUERIES.items() if "transaction_id = NULL" in statement] == []
