"""Coverage-guided fuzzing of what turns a body into params: `python -m tests.tools.inputs.fuzz_decoding -runs=100000`.

Takes libFuzzer's options; bodies are first those of JSONTestSuite. The service's reading of each is compared with
the reference's. A difference ends the run, prints the body, and leaves it in a file that the same command repeats.
"""

import base64
import sys
import tempfile
from pathlib import Path
from typing import Any

import atheris

# The reference too: what makes a difference there is worth trying, and the service's parser is C, which it cannot see.
with atheris.instrument_imports(include=["service.domain.json_body", "service.domain.params", "tests.tools.inputs"]):
    from service.domain.json_body import decode_base64, decode_params
    from service.domain.params import load_params
    from service.domain.schemas import create_params
    from tests.tools.inputs.contract import params_faults, strict_base64
    from tests.tools.inputs.json_reference import Nothing, NotReadable, read

from service.domain.statuses import InvalidEncodedParams, InvalidParam, MissingParam, NoParamsDecoded
from tests.api.bad_inputs.bodies import BASE64, DOCUMENTS, VALUES
from tests.api.bad_inputs.cases import params
from tests.json_test_suite import documents

TYPES = ("Client", "User")
SCHEMA = create_params(TYPES)
LONGEST = 4096


def check(octets: bytes) -> None:
    """Hold the service's reading of a body, plain or base64 encoded, against the reference's."""
    encoded, body = octets[:1] == b"=", octets[1:]
    if encoded:
        _same(_served_base64(body), strict_base64(body), body)
        body = strict_base64(body) or body
    served, expected = _served(body), _expected(body)
    _same(served, expected, body)
    if isinstance(served, dict):
        _same(_served_faults(served), params_faults(served, TYPES), body)


def _same(served: object, expected: object, body: bytes) -> None:
    # By their repr: 1, 1.0 and True are equal and not the same.
    if repr(served) != repr(expected):
        raise AssertionError(f"{body!r} is read as {served!r:.300}, not as {expected!r:.300}")


def _served_base64(body: bytes) -> bytes | None:
    try:
        return decode_base64(body)
    except InvalidEncodedParams:
        return None


def _served(body: bytes) -> Any:
    try:
        return decode_params(body)
    except (InvalidEncodedParams, NoParamsDecoded) as refusal:
        return refusal.name


def _expected(body: bytes) -> Any:
    try:
        document = read(body)
    except NotReadable:
        return InvalidEncodedParams.name
    except Nothing:
        return NoParamsDecoded.name
    return document if isinstance(document, dict) and document else NoParamsDecoded.name


def _served_faults(document: dict[str, Any]) -> tuple[str, list[str]]:
    try:
        load_params(SCHEMA, document)
    except (MissingParam, InvalidParam) as refusal:
        return refusal.name, sorted(error.param for error in refusal.errors)
    return "", []


def seeds() -> list[bytes]:
    """Bodies to begin with: every one that the tests know, as they are and in base64."""
    bodies = [*documents("").values(), *(body for _, body in DOCUMENTS)]
    bodies += [params(x=text) for _, text in VALUES]
    bodies += [params(key='"a"', value='"b"', session_view='"default"', application_view="null")]
    short = [body for body in bodies if len(body) <= LONGEST]
    encoded = [base64.b64encode(body) for body in short] + [body for _, body in BASE64]
    return [b"." + body for body in short] + [b"=" + body for body in encoded]


def main() -> None:
    """Fuzz until the options say so."""
    with tempfile.TemporaryDirectory() as folder:
        for number, body in enumerate(seeds()):
            (Path(folder) / f"{number:04}").write_bytes(body)
        options = [*sys.argv, f"-max_len={LONGEST}"]
        # Files that are named are repeated; without any the corpus is.
        named = any(not argument.startswith("-") for argument in sys.argv[1:])
        atheris.Setup(options if named else [*options, folder], check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
