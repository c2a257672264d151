"""The peers that are built for the benchmark."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.tools.benchmark import go_peer
from tests.tools.benchmark.commands import command_of
from tests.tools.benchmark.plan import SERVICE, UNBATCHED

# Submits three items in one iteration of the event loop to the service's batcher.
SUBMIT_THREE = """
import asyncio, json
from service.api import authenticator, requirement_writer

async def echo(items):
    ran.append(list(items))
    return items

async def main():
    batcher = requirement_writer.Batcher(echo)
    deadline = asyncio.get_running_loop().time() + 60
    results = await asyncio.gather(*(batcher.submit(item, deadline) for item in (1, 2, 3)))
    await batcher.close()
    return results

assert authenticator.Batcher is requirement_writer.Batcher
ran = []
print(json.dumps([asyncio.run(main()), ran]))
"""


@pytest.mark.parametrize(("name", "ran"), [(SERVICE, [[1, 2, 3]]), (UNBATCHED, [[1], [2], [3]])])
async def test_only_the_default_service_batches(name: str, ran: Sequence[Sequence[int]]) -> None:
    """With the unbatched environment, every Python process runs each item alone."""
    command = command_of(name, "postgresql:///", 1, None)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SUBMIT_THREE, env=command.environment, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert json.loads(output) == [[1, 2, 3], ran]


async def test_without_go_the_error_names_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the packages to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(go_peer.GoUnavailableError, match="apt-get install golang-go golang-github-jackc-pgx-v4-dev"):
        await go_peer.build(tmp_path)


async def test_a_failed_go_build_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error quotes Go's output in one line."""
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho it\necho broke\nexit 3\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(go_peer, "PGX", tmp_path)
    with pytest.raises(go_peer.GoUnavailableError, match="go failed: it broke"):
        await go_peer.build(tmp_path)
