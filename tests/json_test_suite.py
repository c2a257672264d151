"""The parsing cases of JSONTestSuite. For their source, see tests/data/json_test_suite/README.md."""

import json
from pathlib import Path

_FILE = Path(__file__).parent / "data" / "json_test_suite" / "test_parsing.json"

_TOO_LARGE_TO_STORE = {
    "n_structure_100000_opening_arrays": b"[" * 100_000,
    "n_structure_open_array_object": b'[{"":' * 50_000 + b"\n",
}


def documents(prefix: str) -> dict[str, bytes]:
    """Return the documents whose names start with `prefix`: `y_` valid JSON, `n_` invalid, `i_` up to the parser."""
    stored = {name: text.encode("latin-1") for name, text in json.loads(_FILE.read_text("ascii")).items()}
    return {name: content for name, content in (stored | _TOO_LARGE_TO_STORE).items() if name.startswith(prefix)}
