"""Coverage-guided fuzzing of body decoding: `python -m tests.tools.inputs.fuzz_decoding -runs=100000`.

Takes libFuzzer's options; `-help=1` lists them. The corpus starts with the bodies of JSONTestSuite. Each result of the
service's decoder is compared with the reference decoder's. A difference ends the run, prints the body, and writes it to
a file; pass that file to repeat the case.
"""

import base64
import sys
import tempfile
from pathlib import Path
from typing import Any

import atheris

# The reference is instrumented too, because the service's parser is in C, where coverage is not visible.
with atheris.instrument_imports(include=["service.domain.json_body", "service.domain.params", "tests.tools.inputs"]):
    from service.domain.json_body import decode_base64, decode_params
    from service.domain.params import load_params
    from service.domain.schemas import create_schema
    from tests.tools.inputs.contract import params_faults, strict_base64
    from tests.tools.inputs.json_reference import EmptyDocument, InvalidDocument, read

from service.domain.statuses import InvalidEncodedParams, InvalidParam, MissingParam, NoParamsDecoded
from tests.api.bad_inputs.bodies import BASE64, DOCUMENTS, VALUES
from tests.api.bad_inputs.cases import params
from tests.json_test_suite import documents

TYPES = ("Client", "User")
SCHEMA = create_schema(TYPES)
LONGEST = 4096


def check(octets: bytes) -> None:
    """Compare the service's decoding of a body, plain or base64, with the reference's."""
    encoded, body = octets[:1] == b"=", octets[1:]
    if encoded:
        _require_equal(_service_base64(body), strict_base64(body), body)
        body = strict_base64(body) or body
    actual, expected = _service_result(body), _reference_result(body)
    _require_equal(actual, expected, body)
    if isinstance(actual, dict):
        _require_equal(_service_faults(actual), params_faults(actual, TYPES), body)


def _require_equal(actual: object, expected: object, body: bytes) -> None:
    # Compare by repr, because 1, 1.0 and True are equal.
    if repr(actual) != repr(expected):
        raise AssertionError(f"{body!r} is decoded as {actual!r:.300}, not as {expected!r:.300}")


def _service_base64(body: bytes) -> bytes | None:
    try:
        return decode_base64(body)
    except InvalidEncodedParams:
        return None


def _service_result(body: bytes) -> Any:
    try:
        return decode_params(body)
    except (InvalidEncodedParams, NoParamsDecoded) as refusal:
        return refusal.name


def _reference_result(body: bytes) -> Any:
    try:
        document = read(body)
    except InvalidDocument:
        return InvalidEncodedParams.name
    except EmptyDocument:
        return NoParamsDecoded.name
    return document if isinstance(document, dict) and document else NoParamsDecoded.name


def _service_faults(document: dict[str, Any]) -> tuple[str, list[str]]:
    try:
        load_params(SCHEMA, document)
    except (MissingParam, InvalidParam) as refusal:
        return refusal.name, sorted(error.param for error in refusal.errors)
    return "", []


def seeds() -> list[bytes]:
    """Return the initial corpus: all bodies known to the tests, as they are and in base64."""
    bodies = [*documents("").values(), *(body for _, body in DOCUMENTS)]
    bodies += [params(x=text) for _, text in VALUES]
    bodies += [params(key='"a"', value='"b"', session_view='"default"', application_view="null")]
    short = [body for body in bodies if len(body) <= LONGEST]
    encoded = [base64.b64encode(body) for body in short] + [body for _, body in BASE64]
    return [b"." + body for body in short] + [b"=" + body for body in encoded]


def main() -> None:
    """Run the fuzzer with the options of the command line."""
    with tempfile.TemporaryDirectory() as folder:
        for number, body in enumerate(seeds()):
            (Path(folder) / f"{number:04}").write_bytes(body)
        options = [*sys.argv, f"-max_len={LONGEST}"]
        # Repeat the named files, or use the corpus if there are none.
        named = any(not argument.startswith("-") for argument in sys.argv[1:])
        atheris.Setup(options if named else [*options, folder], check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
