"""A part of the model of the contract: the params of the batches, whose lists have items with faults of their own."""

from collections.abc import Callable, Mapping
from typing import Any

MOST = 1000
MAX_ID = 2**63 - 1
TEXTS = {"key": 255, "value": 4096}

CheckReference = Callable[..., None]  # takes name, value, missing and invalid
Faults = tuple[list[str], list[str]]  # the params that are missing, and those that are invalid


def judge_batch(
    action: str,
    params: Mapping[str, Any],
    check_reference: CheckReference,
    missing: list[str],
    invalid: list[str],
) -> None:
    """Add what is wrong with the list of a call, and with those of its items that refuse the call."""
    name = "ids" if action == "destroy_many" else "requirements"
    if action == "sync":
        check_reference("requireable", params.get("requireable"), missing=missing, invalid=invalid)
        _judge_keys(params.get("keys"), invalid)
    items = params.get(name)
    if items is None or items == "":
        missing.append(name)
    elif not isinstance(items, list) or not (0 if action == "sync" else 1) <= len(items) <= MOST:
        invalid.append(name)
    elif action == "sync" or params.get("atomic") is True:
        for absent, bad in item_faults(action, params, check_reference):
            missing += absent
            invalid += bad


def item_faults(action: str, params: Mapping[str, Any], check_reference: CheckReference) -> list[Faults]:
    """What is wrong with each item of a list, in order, beside what does not exist."""
    if action == "destroy_many":
        ids = params["ids"]
        return [_of_id(f"ids.{place}", value, ids[:place]) for place, value in enumerate(ids)]
    names = ("required",) if action == "sync" else ("required", "requireable")
    found = [
        _of_requirement(f"requirements.{place}", item, names, check_reference)
        for place, item in enumerate(params["requirements"])
    ]
    if action == "sync":
        _judge_listed(params, found)
    return found


def absent_params(action: str, params: Mapping[str, Any]) -> list[str]:
    """The params that name what does not exist, where all that is named does not, and that refuse the call."""
    if action == "destroy_many":
        return [f"ids.{place}" for place in range(len(params["ids"]))] if params.get("atomic") else []
    names = [f"requirements.{place}" for place in range(len(params["requirements"]))]
    if action == "sync":
        return ["requireable.id", *(f"{name}.required.id" for name in names)] if names else []
    return [f"{name}.{end}.id" for name in names for end in ("required", "requireable")] if params.get("atomic") else []


def _of_id(name: str, value: Any, before: list[Any]) -> Faults:
    if value is None or value == "":
        return [name], []
    valid = type(value) is int and 1 <= value <= MAX_ID
    return [], [] if valid and not any(type(one) is int and one == value for one in before) else [name]


def _of_requirement(name: str, item: Any, references: tuple[str, ...], check_reference: CheckReference) -> Faults:
    missing: list[str] = []
    invalid: list[str] = []
    if item is None or item == "":
        return [name], []
    if not isinstance(item, dict):
        return [], [name]
    for end in references:
        check_reference(f"{name}.{end}", item.get(end), missing=missing, invalid=invalid)
    invalid += [f"{name}.{part}" for part, most in TEXTS.items() if not _is_text(item.get(part), most)]
    # An item has one status: what is invalid is named once nothing is missing.
    return (missing, []) if missing else ([], invalid)


def _judge_listed(params: Mapping[str, Any], found: list[Faults]) -> None:
    keys = params.get("keys")
    known = [key for key in keys if key is None or isinstance(key, str)] if isinstance(keys, list) else None
    listed: list[Any] = []
    for place, (item, (missing, invalid)) in enumerate(zip(params["requirements"], found, strict=True)):
        if missing or invalid:
            continue
        this = [item["required"]["type"], item["required"]["id"], item.get("key")]
        if known is not None and this[2] not in known:
            invalid.append(f"requirements.{place}.key")
        elif this in listed:
            invalid.append(f"requirements.{place}")
        else:
            listed.append(this)


def _judge_keys(keys: Any, invalid: list[str]) -> None:
    if keys is None:
        return
    if not isinstance(keys, list) or len(keys) > MOST:
        invalid.append("keys")
        return
    invalid += [f"keys.{place}" for place, key in enumerate(keys) if not _is_text(key, TEXTS["key"])]


def _is_text(value: Any, most: int) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= most and "\0" not in value)
