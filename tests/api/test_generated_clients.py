"""Clients generated from the OpenAPI document: by openapi-python-client, and by openapi-generator for two languages."""

import asyncio
import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from service.api.actions import ACTIONS
from service.domain.statuses import STATUSES, ClientRequired
from tests.api.test_openapi import DOCUMENT, EXAMPLES, EXAMPLES_BY_STATUS
from tests.conftest import Client
from tests.factories import AppRecord, Records

Parse = Callable[[int, Mapping[str, Any]], Any]

SUCCESS = EXAMPLES_BY_STATUS["action-successful"]
SESSION = EXAMPLES_BY_STATUS["client-required"]["session"]
DETAILED = {**SESSION, "user": {"id": 5, "email": "a@b"}, "roles": ["client", "pilot"], "added_later": 1}
APPLICATION = {"id": 1, "slug": "a", "name": "A", "added_later": 1}

# The views in an answer, and the classes that they are read as.
VIEWS = [
    ({"session": SESSION, "application": APPLICATION}, ("SessionDefault", "ApplicationDefault")),
    ({"session": DETAILED, "application": None}, ("SessionDetailed", None)),
    ({"session": None, "application": None}, (None, None)),
]


def run(*arguments: object) -> str:
    """Run a program that is installed with the tests. Return all its output."""
    program, *others = map(str, arguments)
    command = [str(Path(sys.executable).with_name(program)), *others]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)  # noqa: S603
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the document."""
    folder = tmp_path_factory.mktemp("clients")
    (folder / "openapi.json").write_text(json.dumps(DOCUMENT))
    return folder


@pytest.fixture(scope="module")
def generated(folder: Path) -> dict[str, str]:
    """The output of each generator, by its language. The clients lie beside the document."""
    document, settings = folder / "openapi.json", folder / "settings.yaml"
    settings.write_text("post_hooks: []\n")
    return {
        "attrs": run(
            *("openapi-python-client", "generate", "--meta", "none", "--config", settings),
            *("--path", document, "--output-path", folder / "attrs_client"),
        ),
        "pydantic": run(
            *("openapi-generator-cli", "generate", "-g", "python", "--package-name", "pydantic_client"),
            *("-i", document, "-o", folder),
        ),
        "typescript": run(
            *("openapi-generator-cli", "generate", "-g", "typescript-fetch", "-i", document),
            *("-o", folder / "typescript"),
        ),
    }


@pytest.fixture
def load(folder: Path, generated: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import a module of a generated client. Its warnings are errors, as everywhere in the tests."""
    assert generated
    monkeypatch.syspath_prepend(folder)
    return importlib.import_module


@pytest.fixture(params=["attrs", "pydantic"])
def parse(request: pytest.FixtureRequest, load: Callable[[str], ModuleType]) -> Parse:
    """Read an answer of create as a generated client does."""
    if request.param == "attrs":
        httpx, client = load("httpx"), load("attrs_client").Client(base_url="http://127.0.0.1")
        operation = load("attrs_client.api.requirements.create_requirement")
        return lambda code, body: operation._parse_response(client=client, response=httpx.Response(code, json=body))  # noqa: SLF001
    models = load("pydantic_client")

    def read(code: int, body: Mapping[str, Any]) -> Any:
        name = "ActionSuccessful" if code == 200 else f"{code}Response"
        answer = getattr(models, f"CreateRequirement{name}").from_json(json.dumps(body))
        return getattr(answer, "actual_instance", answer)

    return read


def class_of(view: Any) -> str | None:
    """The name of the class that a view was read as."""
    return None if view is None else type(getattr(view, "actual_instance", view)).__name__


def test_they_are_generated_without_faults(generated: dict[str, str]) -> None:
    """The generators find no fault, but that one of them sends params as JSON only, not in base64."""
    kinds = ("WARNING", "ERROR", "Unsupported")
    warnings = [line for line in generated["attrs"].splitlines() if line.startswith(kinds)]
    operations = [(method, action.path) for action in ACTIONS for method in action.methods]
    assert sorted(warnings) == sorted(
        line
        for method, path in operations
        for line in (f"WARNING parsing {method} {path} within requirements.", "Unsupported content type text/plain")
    )
    for language in ("pydantic", "typescript"):
        assert "ERROR" not in generated[language]
        assert "Exception in" not in generated[language]


@pytest.mark.parametrize(("code", "status", "body"), EXAMPLES, ids=[status for _, status, _ in EXAMPLES])
def test_each_status_has_its_class(parse: Parse, code: str, status: str, body: dict[str, Any]) -> None:
    """The answer of every status is read as the class of that status."""
    (name,) = (known.__name__ for known in STATUSES if known.name == status)
    answer = parse(int(code), body)
    assert type(answer).__name__.removeprefix("CreateRequirement") == name
    assert answer.request_id == body["request_id"]
    if status == ClientRequired.name:
        assert class_of(answer.session) == "SessionDefault"


@pytest.mark.parametrize(("views", "classes"), VIEWS)
def test_each_view_has_its_class(
    parse: Parse, views: Mapping[str, Any], classes: tuple[str | None, str | None]
) -> None:
    """A view is read as its class, also with a field or a role that was added later."""
    answer = parse(200, SUCCESS | views)
    assert (class_of(answer.session), class_of(answer.application)) == classes


def test_a_type_that_was_added_later_does_no_harm(parse: Parse) -> None:
    """An association type that the document did not have is read like any other."""
    answer = parse(200, SUCCESS | {"data": SUCCESS["data"] | {"required": {"type": "Ship", "id": 1}}})
    assert answer.data.to_dict()["required"] == {"type": "Ship", "id": 1}


def test_the_choices_of_params_have_one_type_each(generated: dict[str, str], folder: Path) -> None:
    """Each view param and the outcome have one type, whichever actions share it; types in answers are plain text."""
    assert generated
    models = {path.stem for path in (folder / "attrs_client" / "models").glob("*.py")}
    assert {"session_view", "application_view", "requirement_outcome"} <= models
    assert [name for name in models if "_type_" in name or name.endswith("_view_type")] == []
    typescript = {path.stem: path.read_text() for path in (folder / "typescript" / "models").glob("*.ts")}
    assert "    type: string;" in typescript["StoredReference"]
    assert "    sessionView?: SessionView | null;" in typescript["CreateRequirement"]
    assert {name for name in typescript if name.endswith(("View", "Outcome"))} == {
        "SessionView",
        "ApplicationView",
        "RequirementOutcome",
    }


async def test_the_python_clients_create_a_requirement(
    load: Callable[[str], ModuleType], client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """A call of each Python client is answered, and the answer is read, with its view and its header."""
    address = str(client.make_url("")).rstrip("/")

    models = load("attrs_client.models")
    reference = models.Reference(type_=models.ReferenceType.USER, id=user_id)
    body = models.CreateRequirement(reference, reference, application.token)
    body.application_view = models.ApplicationView.DEFAULT
    operation = load("attrs_client.api.requirements.create_requirement")
    async with load("attrs_client").Client(base_url=address) as attrs_client:
        answer = await operation.asyncio_detailed(client=attrs_client, body=body)
    assert answer.parsed.data.required.id == user_id
    assert answer.parsed.application.slug == application.slug
    outcome = models.RequirementOutcome(answer.headers["Requirement-Outcome"])
    assert outcome is models.RequirementOutcome.CREATED

    other = load("pydantic_client")
    with other.ApiClient(other.Configuration(host=address, access_token=application.token)) as api_client:
        reference = other.Reference(type="User", id=user_id)
        call = other.RequirementsApi(api_client).create_requirement_with_http_info
        answer = await asyncio.to_thread(call, other.CreateRequirement(required=reference, requireable=reference))
    assert answer.data.data.required.id == user_id
    assert other.RequirementOutcome(answer.headers["Requirement-Outcome"]) == other.RequirementOutcome.CREATED
    assert await records.count() == 2
