"""Rules for the source that neither ruff nor import-linter can check."""

import ast
import functools
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


@functools.cache
def sources(folder: Path) -> list[Source]:
    """Each module of a folder, parsed once: its path relative to the folder, and its syntax tree."""
    return [(path, ast.parse((folder / path).read_text("utf-8"))) for path in modules(folder)]


def modules(folder: Path) -> list[str]:
    """The path of each module of a folder, relative to it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.py"))


def functions(tree: ast.Module) -> Iterator[Function]:
    """Every function and method of a module."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    """Every call of a function, method or generic class by one of these names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node) in names:
            yield node


def called(call: ast.Call) -> str:
    """The last name of what is called: `c` for `a.b.c()` and `c[int]()`, empty if it has none."""
    function = call.func.value if isinstance(call.func, ast.Subscript) else call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def docstrings(tree: ast.Module) -> set[int]:
    """The identities of the nodes that are docstrings."""
    owners = (node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | Function))
    return {id(owner.body[0].value) for owner in owners if owner.body and isinstance(owner.body[0], ast.Expr)}


def length(function: Function) -> int:
    """The number of lines of a function without its decorators."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def test_create_app_is_synchronous_and_short() -> None:
    """create_app is a plain function of at most 40 lines."""
    assert not inspect.iscoroutinefunction(create_app)
    assert len(inspect.getsource(create_app).splitlines()) <= 40


def test_two_apps_are_independent() -> None:
    """Two calls of create_app return two applications that share no mutable state."""
    first_config, second_config = (load_config(None, {"PORT": port}) for port in ("1111", "2222"))
    first, second = create_app(first_config), create_app(second_config)
    first.freeze()
    assert not second.frozen
    assert first.router is not second.router
    assert (first[keys.CONFIG], second[keys.CONFIG]) == (first_config, second_config)
    assert first[keys.PARAMS_SCHEMAS] is not second[keys.PARAMS_SCHEMAS]


def test_files_are_short() -> None:
    """The median file has at most 70 lines, and no file has more than 250."""
    sizes = {path.as_posix(): len(path.read_text("utf-8").splitlines()) for path in SERVICE.rglob("*.py")}
    assert {name: size for name, size in sizes.items() if size > 250} == {}
    assert statistics.median(sizes.values()) <= 70


def test_functions_are_short() -> None:
    """The median function has at most 8 lines, and no function has more than 40."""
    sizes = {
        f"{path}:{function.lineno}": length(function) for path, tree in sources(SERVICE) for function in functions(tree)
    }
    assert {name: size for name, size in sizes.items() if size > 40} == {}
    assert statistics.median(sizes.values()) <= 8


def test_no_module_has_an_empty_name() -> None:
    """No module or folder has a name that fits any content."""
    words = {word for path in modules(SERVICE) for word in re.split(r"[/_.]", path)}
    assert words.isdisjoint({"utils", "util", "common", "helpers", "helper", "base", "misc", "shared", "tools"})


def test_no_folder_has_the_name_of_a_module_beside_it() -> None:
    """A module and a folder in the same folder have different stems, so that an import names only one of them."""
    paths = [Path(path) for path in modules(SERVICE)]
    folders = {parent for path in paths for parent in path.parents}
    assert [path for path in paths if path.with_suffix("") in folders] == []


def test_no_sql_in_python() -> None:
    """SQL is in sql/, never in a string of the code."""
    found = [
        f"{path}:{node.lineno}: {node.value}"
        for path, tree in sources(SERVICE)
        for prose in [docstrings(tree)]
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
        if SQL.match(node.value)
    ]
    assert found == []


@pytest.mark.parametrize(
    "text", ["SELECT 1", "\n  LISTEN x", "insert into t values (1)", "WITH a AS (", "select a\nfrom b"]
)
def test_sql_is_recognised(text: str) -> None:
    """The rule above finds statements in upper and lower case, with leading space and on several lines."""
    assert SQL.match(" ".join(text.split()))


def test_only_the_envelope_builds_responses_of_the_api() -> None:
    """Only the envelope builds responses of the API. Probes, documentation and invalid HTTP are not the API."""
    names = ("BufferedResponse", "Response", "json_response", "StreamResponse")
    builders = {path for path, tree in sources(SERVICE) if list(calls(tree, *names))}
    public = {path for path in builders if not path.startswith("admin/")}
    assert public == {
        "api/aiohttp_internals.py",
        "api/envelope.py",
        "api/handlers/docs.py",
        "api/handlers/health.py",
    }


def test_only_the_boundaries_catch_everything() -> None:
    """Only the error boundaries and `observability` catch every exception."""
    broad = {"Exception", "BaseException"}
    catching = {
        path
        for path, tree in sources(SERVICE)
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or broad & {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)})
    }
    suppressing = {
        path
        for path, tree in sources(SERVICE)
        for call in calls(tree, "suppress")
        if broad & set(map(ast.unparse, call.args))
    }
    places = {path for path in catching | suppressing if not path.startswith("observability/")}
    assert places == {"api/middlewares/error_boundary.py", "admin/error_boundary.py"}


def test_one_file_of_typed_keys_per_application() -> None:
    """Values in an app, a request or a response have typed keys, all of them in the application's keys.py."""
    makers = {path for path, tree in sources(SERVICE) if list(calls(tree, "AppKey", "RequestKey", "ResponseKey"))}
    texts = [
        f"{path}: {ast.unparse(node)}"
        for path, tree in sources(SERVICE)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
        if ast.unparse(node.value) in {"app", "request", "request.app", "response"}
    ]
    applications = {path for path in modules(SERVICE) if path.endswith("/app.py")}
    assert (makers, texts) == ({path.replace("/app.py", "/keys.py") for path in applications}, [])


def test_one_middleware_a_file() -> None:
    """Each file in `middlewares` defines one middleware, with the file's name."""
    files = {
        Path(path).stem: tree
        for path, tree in sources(SERVICE)
        if path.startswith("api/middlewares/") and "__init__" not in path
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


def test_no_test_sleeps() -> None:
    """Tests wait for a condition. Only a loop that polls may sleep; benchmark and ledger measure over fixed times."""
    sleeps, polls = (
        {
            f"{path}:{call.lineno}"
            for path, tree in sources(TESTS)
            if not path.startswith(("tools/benchmark/", "tools/ledger/"))
            if "sleep(" in (TESTS / path).read_text("utf-8")
            for place in ast.walk(tree)
            if isinstance(place, kinds)
            for call in calls(place, "sleep")
            if ast.unparse(call.args[0]) != "0"
        }
        for kinds in (ast.Module, ast.While | ast.For | ast.AsyncFor)
    )
    assert sleeps - polls == set()
