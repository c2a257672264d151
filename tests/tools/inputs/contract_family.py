"""A part of the model of the contract: the params of the actions beside create, each judged alone.

Changes and reads of one requirement are asked for ids that do not exist, batches name things that do not exist, and
questions about the graph are asked of things that nothing refers to: other requests may create and change requirements
meanwhile. stories.py has calls that succeed.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tests.tools.inputs.contract_batches import absent_params, judge_batch

Parts = Mapping[str, Callable[[Any], bool]]
Faults = tuple[list[str], list[str]]  # the params that are missing, and those that are invalid

METHODS = {
    **dict.fromkeys(("read", "index", "create_many", "destroy_many", "sync", "closure", "path", "changes"), "POST"),
    "update": "PUT",
    "destroy": "DELETE",
}
WRITES = {"update", "destroy", "create_many", "destroy_many", "sync"}
TIMES = ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00.123456+01:00", "2024-02-29t23:59:60z")
# The members of `data` in a success.
DATA = {
    "index": {"results", "complete", "page"},
    "closure": {"results", "complete", "page", "cycles"},
    "path": {"path"},
    "create_many": {"results", "succeeded", "failed"},
    "destroy_many": {"results", "succeeded", "failed"},
    "sync": {"results"},
    "changes": {"results", "complete", "next"},
}


def _integer(most: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and 1 <= value <= most


def _text(most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and len(value) <= most and "\0" not in value


def _choice(*names: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in names


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _time(value: Any) -> bool:
    return isinstance(value, str) and value in TIMES


def _attributes(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_choice("key", "value")(item) for item in value)


ID = _integer(2**63 - 1)
# The parts of the hashes in the params of index; the first is required in some.
HASHES: Mapping[str, Parts] = {
    "caller": {"application_id": ID, "user_id": ID},
    "created": {"from": _time, "until": _time},
    "search": {"term": _text(255), "attributes": _attributes},
    "sort": {"by": _choice("id", "created_at", "updated_at"), "order": _choice("asc", "desc")},
    "page": {"size": _integer(200), "after": _text(512), "number": _integer(100)},
}
OPTIONAL: Mapping[str, Parts] = {
    "read": {"fresh": _flag},
    "update": {"key": _text(255), "value": _text(4096), "if_updated_at": _time},
    "destroy": {"if_updated_at": _time},
    "index": {"key": _text(255), "count": _flag, "fresh": _flag},
    "closure": {
        "key": _text(255),
        "max_depth": _integer(64),
        "direction": _choice("requires", "required_by"),
        "fresh": _flag,
    },
    "path": {"key": _text(255), "max_depth": _integer(64), "fresh": _flag},
    "create_many": {"atomic": _flag},
    "destroy_many": {"atomic": _flag},
    "sync": {"dry_run": _flag},
    "changes": {
        "after": _text(512),
        "key": _text(255),
        "wait_seconds": lambda value: type(value) is int and 0 <= value <= 30,
    },
}
ENDS = {"closure": ("of",), "path": ("from", "to")}


def family_faults(action: str, params: Mapping[str, Any], types: Any, check_reference: Callable[..., None]) -> Faults:
    """What is wrong with the params of an action, apart from the views. `check_reference` judges a whole reference."""
    missing: list[str] = []
    invalid = [
        name for name, rule in OPTIONAL[action].items() if params.get(name) is not None and not rule(params[name])
    ]
    if action in ("read", "update", "destroy"):
        number = params.get("id")
        if number is None or number == "":
            missing.append("id")
        elif not ID(number):
            invalid.append("id")
    if action == "update" and not params.keys() & {"key", "value"}:
        missing.append("key")
    if action in ("create_many", "destroy_many", "sync"):
        judge_batch(action, params, partial(check_reference, types=types), missing, invalid)
    for name in ENDS.get(action, ()):
        check_reference(name, params.get(name), types, missing, invalid)
    if action == "index":
        _judge_index(params, types, missing, invalid)
    if action == "closure":
        page = {"size": _integer(10_000), "after": _text(512)}
        _judge_hash("page", params.get("page"), page, "", missing, invalid)
    if action == "changes":
        _judge_hash("page", params.get("page"), {"size": _integer(200)}, "", missing, invalid)
        _judge_filters(params, types, missing, invalid)
    return missing, invalid


def later_faults(action: str, params: Mapping[str, Any]) -> list[str]:
    """The params that are refused although they are valid by themselves: what does not exist, or a made-up cursor."""
    if action in ("read", "update", "destroy"):
        return ["id"]
    if action in ("create_many", "destroy_many", "sync"):
        return absent_params(action, params)
    if action == "changes":
        return ["after"] if params.get("after") not in (None, "now") else []
    return ["page.after"] if (params.get("page") or {}).get("after") is not None else []


def _judge_index(params: Mapping[str, Any], types: Any, missing: list[str], invalid: list[str]) -> None:
    _judge_filters(params, types, missing, invalid)
    for name, parts in HASHES.items():
        before = len(missing), len(invalid)
        _judge_hash(name, params.get(name), parts, "term" if name == "search" else "", missing, invalid)
        value = params.get(name)
        if value is None or (len(missing), len(invalid)) != before:
            continue
        given = [part for part in parts if value.get(part) is not None]
        one_of_both = name == "caller" and len(given) != 1
        if one_of_both or (name == "page" and {"after", "number"} <= set(given)):
            invalid.append(name)
    alone = params.get("required") is None and params.get("requireable") is None and "key" not in params
    if alone and isinstance(params.get("search"), dict):
        invalid.append("search")


def _judge_filters(params: Mapping[str, Any], types: Any, missing: list[str], invalid: list[str]) -> None:
    for name in ("required", "requireable"):
        reference: Parts = {"type": lambda value: isinstance(value, str) and value in types, "id": ID}
        _judge_hash(name, params.get(name), reference, "type", missing, invalid)


def _judge_hash(
    name: str,
    value: Any,
    parts: Parts,
    required: str,
    missing: list[str],
    invalid: list[str],
) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        invalid.append(name)
        return
    for part, rule in parts.items():
        if part == required and value.get(part) in (None, ""):
            missing.append(f"{name}.{part}")
        elif value.get(part) is not None and not rule(value[part]):
            invalid.append(f"{name}.{part}")
