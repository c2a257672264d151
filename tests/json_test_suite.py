"""The parsing cases of JSONTestSuite; tests/data/json_test_suite/README.md says where they come from."""

import json
from pathlib import Path

_FILE = Path(__file__).parent / "data" / "json_test_suite" / "test_parsing.json"

_TOO_LARGE_TO_KEEP = {
    "n_structure_100000_opening_arrays": b"[" * 100_000,
    "n_structure_open_array_object": b'[{"":' * 50_000 + b"\n",
}


def documents(prefix: str) -> dict[str, bytes]:
    """The documents whose names begin so: `y_` is JSON, `n_` is none, `i_` is left to the parser."""
    kept = {name: text.encode("latin-1") for name, text in json.loads(_FILE.read_text("ascii")).items()}
    return {name: content for name, content in (kept | _TOO_LARGE_TO_KEEP).items() if name.startswith(prefix)}
