"""The rules of the house that no tool checks: read from the source, so that breaking one is told at once."""

import ast
import inspect
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

import service
from service.api import keys
from service.api.app import create_app
from service.config import load_config

SERVICE = Path(service.__file__).parent
TESTS = Path(__file__).parents[1]

# An upper-case keyword at the start, or the shape of a statement in any case.
SQL = re.compile(
    r"\s*(?:(?:SELECT|INSERT|UPDATE|DELETE|TRUNCATE|CREATE|ALTER|DROP|GRANT|LISTEN|NOTIFY|WITH|BEGIN|COMMIT|SET)\b"
    r"|(?i:select\s.+\sfrom\s|insert\s+into\s|update\s+\S+\s+set\s|delete\s+from\s|listen\s|notify\s))"
)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Source = tuple[str, ast.Module]


def sources(folder: Path) -> list[Source]:
    """Each module of a folder: its path in there, and its syntax tree."""
    return [
        (path.relative_to(folder).as_posix(), ast.parse(path.read_text("utf-8")))
        for path in sorted(folder.rglob("*.py"))
    ]


CODE = sources(SERVICE)


def functions(tree: ast.Module) -> Iterator[Function]:
    """Every function and method of a module."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    """Every call of something by one of these names, as it stands or as an attribute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split("[")[0].rpartition(".")[2] in names:
            yield node


def docstrings(tree: ast.Module) -> set[int]:
    """The identities of the nodes that are docstrings."""
    owners = (node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | Function))
    return {id(owner.body[0].value) for owner in owners if owner.body and isinstance(owner.body[0], ast.Expr)}


def length(function: Function) -> int:
    """How many lines a function takes, its decorators apart."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def written_lines(folder: Path) -> int:
    """How many lines of a folder's modules are not blank."""
    return sum(bool(line.strip()) for path in folder.rglob("*.py") for line in path.read_text("utf-8").splitlines())


def test_create_app_is_synchronous_and_short() -> None:
    """create_app reads from top to bottom in at most 40 lines and awaits nothing."""
    assert not inspect.iscoroutinefunction(create_app)
    assert len(inspect.getsource(create_app).splitlines()) <= 40


def test_two_apps_are_independent() -> None:
    """Two calls of create_app give two applications that share nothing that changes."""
    first_config, second_config = (load_config(None, {"PORT": port}) for port in ("1111", "2222"))
    first, second = create_app(first_config), create_app(second_config)
    first.freeze()
    assert not second.frozen
    assert first.router is not second.router
    assert (first[keys.CONFIG], second[keys.CONFIG]) == (first_config, second_config)
    assert first[keys.PARAMS_SCHEMAS] is not second[keys.PARAMS_SCHEMAS]


def test_files_are_short() -> None:
    """Half of the files have at most 60 lines, and none has more than 250."""
    sizes = {path.as_posix(): len(path.read_text("utf-8").splitlines()) for path in SERVICE.rglob("*.py")}
    assert {name: size for name, size in sizes.items() if size > 250} == {}
    assert statistics.median(sizes.values()) <= 60


def test_functions_are_short() -> None:
    """Half of the functions have at most 8 lines, and none has more than 40."""
    sizes = {f"{path}:{function.lineno}": length(function) for path, tree in CODE for function in functions(tree)}
    assert {name: size for name, size in sizes.items() if size > 40} == {}
    assert statistics.median(sizes.values()) <= 8


def test_no_module_is_a_drawer() -> None:
    """No module is called by a name that says nothing of what is in it."""
    parts = {part.removesuffix(".py") for path, _ in CODE for part in Path(path).parts}
    assert parts.isdisjoint({"utils", "util", "common", "helpers", "base", "misc"})


@pytest.mark.parametrize(("path", "tree"), CODE, ids=[path for path, _ in CODE])
def test_no_sql_in_python(path: str, tree: ast.Module) -> None:
    """SQL stands in sql/, never in a string of the code."""
    prose = docstrings(tree)
    found = [
        f"{path}:{node.lineno}: {node.value}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
        if SQL.match(node.value)
    ]
    assert found == []


@pytest.mark.parametrize(
    "text", ["SELECT 1", "\n  LISTEN x", "insert into t values (1)", "WITH a AS (", "select a\nfrom b"]
)
def test_sql_is_recognised(text: str) -> None:
    """What the rule above looks for is found in whatever form it comes."""
    assert SQL.match(" ".join(text.split()))


def test_only_the_envelope_builds_answers_of_the_api() -> None:
    """Bodies of the API are built in one place; probes, documentation and what is no HTTP are not of it."""
    names = ("BufferedResponse", "Response", "json_response", "StreamResponse")
    builders = {path for path, tree in CODE if list(calls(tree, *names))}
    public = {path for path in builders if not path.startswith("admin/")}
    assert public == {
        "api/aiohttp_internals.py",
        "api/envelope.py",
        "api/handlers/docs.py",
        "api/handlers/health.py",
    }


def test_only_the_boundaries_catch_everything() -> None:
    """A broad except stands only in the boundaries, and where what is observed must not break the observer."""
    broad = {"Exception", "BaseException"}
    catching = {
        path
        for path, tree in CODE
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or broad & {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)})
    }
    suppressing = {
        path for path, tree in CODE for call in calls(tree, "suppress") if broad & set(map(ast.unparse, call.args))
    }
    places = {path for path in catching | suppressing if not path.startswith("observability/")}
    assert places == {"api/middlewares/error_boundary.py", "admin/error_boundary.py"}


def test_every_key_is_typed_and_in_one_file() -> None:
    """What is kept in an app, a request or a response has a typed key, and all of them stand in keys.py."""
    makers = {path for path, tree in CODE if list(calls(tree, "AppKey", "RequestKey", "ResponseKey"))}
    texts = [
        f"{path}: {ast.unparse(node)}"
        for path, tree in CODE
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
        if ast.unparse(node.value) in {"app", "request", "request.app", "response"}
    ]
    assert (makers, texts) == ({"admin/keys.py", "api/keys.py"}, [])


def test_one_middleware_a_file() -> None:
    """Each file of middlewares holds one, by the file's name."""
    files = {
        Path(path).stem: tree for path, tree in CODE if path.startswith("api/middlewares/") and "__init__" not in path
    }
    middlewares = {
        name: [
            function.name
            for function in functions(tree)
            if "web.middleware" in map(ast.unparse, function.decorator_list)
        ]
        for name, tree in files.items()
    }
    assert middlewares == {name: [name] for name in files}


def test_every_test_says_its_rule() -> None:
    """Each test has a docstring that is a sentence."""
    silent = [
        f"{path}:{function.name}"
        for path, tree in sources(TESTS)
        for function in functions(tree)
        if function.name.startswith("test_") and not (ast.get_docstring(function) or "").endswith((".", "?"))
    ]
    assert silent == []


def test_no_test_sleeps() -> None:
    """A test waits for what it needs: a sleep stands only in a loop that asks again and again."""
    sleeps, polls = (
        {
            f"{path}:{call.lineno}"
            for path, tree in sources(TESTS)
            if not path.startswith(
                ("tools/benchmark/", "tools/ledger/")
            )  # no tests: what is measured takes the time it takes
            for place in ast.walk(tree)
            if isinstance(place, kinds)
            for call in calls(place, "sleep")
            if ast.unparse(call.args[0]) != "0"
        }
        for kinds in (ast.Module, ast.While | ast.For | ast.AsyncFor)
    )
    assert sleeps - polls == set()


def test_tests_are_as_long_as_code() -> None:
    """There is at least a line of tests for each line of code."""
    assert written_lines(TESTS) >= written_lines(SERVICE)
