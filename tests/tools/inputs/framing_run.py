"""Bytes sent over connections of their own, with every answer judged by what the reference makes of the bytes."""

import asyncio
import contextlib
from collections.abc import Iterator
from itertools import islice
from random import Random
from urllib.parse import unquote_to_bytes, urlsplit

from tests.api.bad_inputs.wire import Response, connected, receive
from tests.factories import CREATE
from tests.tools.inputs import http_reference
from tests.tools.inputs.answers import envelope
from tests.tools.inputs.mutating import mutated
from tests.tools.inputs.running import PATIENCE_SECONDS, Judged
from tests.tools.inputs.service import Deployed

FAMILY = "bytes"


async def run_framing(service: Deployed, seed: int, requests: int, connections: int, judged: Judged) -> None:
    """Send as many spoiled requests, and judge what comes back."""
    spoiled = islice(mutated(Random(seed)), requests)  # noqa: S311 - it has to come out the same again

    async def send(cases: Iterator[bytes]) -> None:
        for octets in cases:
            read = http_reference.read(octets)
            try:
                answers = await answers_to(service.port, octets, read)
                judged.note(FAMILY, _told(answers, read), octets, faults(answers, read))
            except (OSError, TimeoutError) as error:
                judged.note(FAMILY, "no answer", octets, [f"{read} {error!r}"])

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(send(spoiled))


def _told(answers: list[Response], read: http_reference.Read) -> str:
    if any(map(is_bare, answers)):
        return f"{read.end}: a bare 400"
    return f"{read.end}: {'forgiven' if read.end == 'broken' else 'envelopes'}"


async def answers_to(port: int, octets: bytes, read: http_reference.Read) -> list[Response]:
    """The answers: as many as are owed, and where the server ends the connection all that came before."""
    answers: list[Response] = []
    methods = [method for method, _ in read.requests]
    owed = len(methods) + (read.end == "broken")
    async with asyncio.timeout(PATIENCE_SECONDS), connected(port) as (reader, writer):
        writer.write(octets)
        # It ends the connection as soon as it has had enough: what it said before counts.
        with contextlib.suppress(EOFError, ConnectionError):
            while len(answers) < owed:
                is_head = methods[len(answers) : len(answers) + 1] == [b"HEAD"]
                answer = await receive(reader, has_body=not is_head)
                if answer.http_code != 100:
                    answers.append(answer)
    return answers


def faults(answers: list[Response], read: http_reference.Read) -> list[str]:
    """What is wrong with the answers: each is a request's envelope, but for a bare 400 that ends the connection.

    The server may forgive what the reference does not, a request line without a version, say: it tells an envelope.
    """
    found: list[str] = []
    for number, answer in enumerate(answers):
        if is_bare(answer):
            return found if number == len(answers) - 1 else [*found, "it went on after a bare 400"]
        found += envelope(answer)[1] if answer.body else []
        if number < len(read.requests):
            found += _misread(answer, *read.requests[number])
        elif answer.header("Requirement-Outcome") not in (None, "none"):
            found.append(f"what is no HTTP was answered {answer.body!r}")
    if len(answers) < len(read.requests):
        found.append(f"{len(answers)} answers to {len(read.requests)} requests")
    return found


def is_bare(answer: Response) -> bool:
    """Whether it is the server's own 400."""
    return answer.http_code == 400 and answer.header("Content-Type") == "text/plain; charset=utf-8"


def _misread(answer: Response, method: bytes, target: bytes) -> list[str]:
    """Whether the answer is for another path than was asked for: then the connection is out of step."""
    path = target if target.startswith(b"/") else urlsplit(target).path
    created = (method, unquote_to_bytes(path.partition(b"?")[0])) == (b"POST", CREATE.encode())
    told = answer.header("Requirement-Outcome")
    return [] if told == ("none" if created else None) else [f"{method!r} {target!r} was answered {answer.body!r}"]
