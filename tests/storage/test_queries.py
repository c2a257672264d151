"""The statements of sql/queries: each is described, used, and fits the migrated schema."""

import ast
import re
from pathlib import Path

import asyncpg
import pytest

import service
from service.config import Config
from service.config.resources import resource
from service.database.queries import QUERIES, load_queries, quote_identifier, quote_literal
from service.storage.requirements import compose_insert
from service.storage.tokens import LOOK_UP_TOKENS

PARTS = (
    "token_verdicts",
    "lock_references",
    "lock_references_skip_locked",
    "lock_existing",
    "lock_existing_skip_locked",
)
PLACEHOLDER = re.compile(r"\{\w+\}")


async def prepare_all(connection: asyncpg.Connection, statements: dict[str, str]) -> dict[str, str]:
    """What the server says against those of the statements that it cannot prepare."""
    faults = {}
    for name, statement in statements.items():
        try:
            await connection.prepare(statement)
        except asyncpg.PostgresError as error:
            faults[name] = str(error)
    return faults


async def test_every_query_fits_the_schema(connection: asyncpg.Connection) -> None:
    """The server can prepare every statement, as it stands in its file, against the migrated tables."""
    composed = {name for name, statement in QUERIES.items() if PLACEHOLDER.search(statement)}
    assert composed - set(PARTS) == {"create_requirements", "look_up_tokens"}
    whole = {name: statement for name, statement in QUERIES.items() if name not in composed | set(PARTS)}
    assert await prepare_all(connection, whole | {"look_up_tokens": LOOK_UP_TOKENS}) == {}


async def test_queries_fit_every_association_type(connection: asyncpg.Connection, config: Config) -> None:
    """The statement that creates requirements can be prepared for each association type, and for all at once."""
    maps = [{name: table} for name, table in config.associations.items()] + [config.associations]
    statements = {f"{wait} {names}": compose_insert(names, wait=wait) for names in maps for wait in (True, False)}
    assert await prepare_all(connection, statements) == {}


async def test_a_query_that_does_not_fit_is_told(connection: asyncpg.Connection) -> None:
    """Preparing tells a column that is not there: the two tests above can fail."""
    faults = await prepare_all(connection, {"good": "SELECT id FROM users", "bad": "SELECT nothing FROM users"})
    assert faults == {"bad": 'column "nothing" does not exist'}


def test_names_used_are_names_defined() -> None:
    """Each statement is used by its name somewhere in the code, and none is used that is not there."""
    trees = [ast.parse(path.read_text("utf-8")) for path in Path(service.__file__).parent.rglob("*.py")]
    used = {
        ast.literal_eval(node.slice)
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "QUERIES"
    }
    assert used == QUERIES.keys()


def test_every_query_is_described() -> None:
    """The line below each statement's name is a comment that says what it is for."""
    texts = [path.read_text("utf-8") for path in (resource("sql") / "queries").glob("*.sql")]
    names = [name for text in texts for name in re.findall(r"^-- name: (\w+)$", text, re.MULTILINE)]
    described = [name for text in texts for name in re.findall(r"^-- name: (\w+)\n-- \w+", text, re.MULTILINE)]
    assert described == names
    assert sorted(names) == sorted(QUERIES)


def test_a_statement_is_kept_as_written(tmp_path: Path) -> None:
    """Of a block, the name and the comment lines go; what looks like a comment inside a line stays."""
    (tmp_path / "some.sql").write_text(
        "-- name: one\n-- Says one.\nSELECT '--', $1;\n\n-- name: two\n-- Two.\nSELECT 2\n"
    )
    assert load_queries(tmp_path) == {"one": "SELECT '--', $1", "two": "SELECT 2"}


def test_a_name_is_given_once(tmp_path: Path) -> None:
    """Two statements by one name are refused: the code could not tell which it gets."""
    for file in ("a.sql", "b.sql"):
        (tmp_path / file).write_text("-- name: same\n-- Same.\nSELECT 1;\n")
    with pytest.raises(ValueError, match=r"b\.sql: another block is named same"):
        load_queries(tmp_path)


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("orders", '"orders"'), ("shop.orders", '"shop"."orders"'), ('o"; DROP', '"o""; DROP"')],
)
def test_identifiers_are_quoted(name: str, quoted: str) -> None:
    """A table of the settings reaches SQL as an identifier, whatever is in its name."""
    assert quote_identifier(name) == quoted


async def test_literals_are_quoted(connection: asyncpg.Connection) -> None:
    """An association type of the settings reaches SQL as a text, whatever is in its name."""
    for text in ("Order", "O'Brien", "back\\slash", "'; SELECT 1; --"):
        assert await connection.fetchval(f"SELECT {quote_literal(text)}") == text
