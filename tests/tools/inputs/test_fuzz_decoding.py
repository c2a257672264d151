"""A bounded run of the decoding fuzzer in its own process."""

import asyncio
import re
import sys
from pathlib import Path

from tests.serving.process import REPOSITORY, environment

RUNS = 50_000


async def fuzz(folder: Path, *options: str) -> tuple[int | None, str]:
    """Run the fuzzer; return its exit code and output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.tools.inputs.fuzz_decoding", f"-artifact_prefix={folder}/", *options),
        cwd=REPOSITORY,
        env=environment({"TMPDIR": str(folder)}),  # the fuzzer exits without removing its corpus
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode(errors="replace")


async def test_bodies_are_decoded_like_the_reference(tmp_path: Path) -> None:
    """The fuzzer finds no body that the service decodes differently from the reference."""
    code, output = await fuzz(tmp_path, f"-runs={RUNS}", "-seed=1")
    assert code == 0, output[-5000:]
    done = re.search(r"Done (\d+) runs in ", output)
    assert done, output[-5000:]
    assert int(done[1]) >= RUNS


async def test_a_body_can_be_repeated(tmp_path: Path) -> None:
    """A body in a file is decoded alone, to investigate a difference."""
    body = tmp_path / "body"
    body.write_bytes(b'.{"a": 1, "a": 2}')
    code, output = await fuzz(tmp_path, str(body))
    assert (code, "Executed" in output) == (0, True), output[-5000:]
