"""Send malformed bytes over separate connections, and compare the answers with the reference parser's reading."""

import asyncio
import contextlib
from collections.abc import Iterator
from itertools import islice
from random import Random
from urllib.parse import unquote_to_bytes, urlsplit

from tests.api.bad_inputs.wire import Response, connected, receive
from tests.factories import CREATE
from tests.tools.inputs import http_reference
from tests.tools.inputs.answer_checks import envelope
from tests.tools.inputs.mutations import mutated_requests
from tests.tools.inputs.runner import TIMEOUT_SECONDS, Results
from tests.tools.inputs.service import Deployed

FAMILY = "bytes"


async def run_framing(service: Deployed, seed: int, requests: int, connections: int, results: Results) -> None:
    """Send `requests` mutated requests and check the answers."""
    mutated = islice(mutated_requests(Random(seed)), requests)  # noqa: S311 - must be reproducible

    async def send(cases: Iterator[bytes]) -> None:
        for octets in cases:
            read = http_reference.parse(octets)
            try:
                answers = await answers_to(service.port, octets, read)
                results.add(FAMILY, _classification(answers, read), octets, faults(answers, read))
            except (OSError, TimeoutError) as error:
                results.add(FAMILY, "no answer", octets, [f"{read} {error!r}"])

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(send(mutated))


def _classification(answers: list[Response], read: http_reference.ParsedStream) -> str:
    if any(map(is_bare, answers)):
        return f"{read.end}: a bare 400"
    return f"{read.end}: {'accepted' if read.end == 'broken' else 'envelopes'}"


async def answers_to(port: int, octets: bytes, read: http_reference.ParsedStream) -> list[Response]:
    """Return the answers: as many as expected, or fewer if the server closes the connection."""
    answers: list[Response] = []
    methods = [method for method, _ in read.requests]
    expected = len(methods) + (read.end == "broken")
    async with asyncio.timeout(TIMEOUT_SECONDS), connected(port) as (reader, writer):
        writer.write(octets)
        # The server closes the connection on an error: answers before that count.
        with contextlib.suppress(EOFError, ConnectionError):
            while len(answers) < expected:
                is_head = methods[len(answers) : len(answers) + 1] == [b"HEAD"]
                answer = await receive(reader, has_body=not is_head)
                if answer.http_code != 100:
                    answers.append(answer)
    return answers


def faults(answers: list[Response], read: http_reference.ParsedStream) -> list[str]:
    """Return what is wrong with the answers: each must be an envelope, except a bare 400 that ends the connection.

    The server may accept what the reference refuses, such as a request line without a version: it then answers with an
    envelope.
    """
    found: list[str] = []
    for number, answer in enumerate(answers):
        if is_bare(answer):
            return found if number == len(answers) - 1 else [*found, "an answer after a bare 400"]
        found += envelope(answer)[1] if answer.body else []
        if number < len(read.requests):
            found += _wrong_request(answer, *read.requests[number])
        elif answer.header("Requirement-Outcome") not in (None, "none"):
            found.append(f"invalid HTTP was answered {answer.body!r}")
    if len(answers) < len(read.requests):
        found.append(f"{len(answers)} answers to {len(read.requests)} requests")
    return found


def is_bare(answer: Response) -> bool:
    """Return whether this is the server's bare 400."""
    return answer.http_code == 400 and answer.header("Content-Type") == "text/plain; charset=utf-8"


def _wrong_request(answer: Response, method: bytes, target: bytes) -> list[str]:
    """Return a fault if the answer is for a different path, which means the connection is out of sync."""
    path = target if target.startswith(b"/") else urlsplit(target).path
    created = (method, unquote_to_bytes(path.partition(b"?")[0])) == (b"POST", CREATE.encode())
    outcome = answer.header("Requirement-Outcome")
    return [] if outcome == ("none" if created else None) else [f"{method!r} {target!r} was answered {answer.body!r}"]
