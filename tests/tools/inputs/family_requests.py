"""The params of the actions beside create, for the composer: valid ones, and ones with faults, as JSON text."""

import json
from random import Random
from typing import Any

from tests.tools.inputs.contract_family import TIMES

FAR = 10**15  # from here on, no id exists

ODD: tuple[Any, ...] = (None, "", 0, -1, 1.0, True, [], {}, "x", "a\0b", 2**63, [FAR], {"type": 1}, "k" * 300)
_TIMES = (*TIMES, "2026-11-23T10:00:00", "2026-11-23", "2026-13-01T00:00:00Z", "now", 5, None)


def family_params(action: str, random: Random) -> dict[str, str]:
    """The params of a call of `action` without a token, each as JSON."""
    return {name: json.dumps(value) for name, value in _PARAMS[action](random).items()}


def _id(random: Random) -> Any:
    return random.choice((FAR + random.randrange(10**6), FAR, 2**63 - 1)) if random.random() < 0.93 else _odd(random)


def _odd(random: Random) -> Any:
    return random.choice(ODD)


def _some(random: Random, **values: Any) -> dict[str, Any]:
    """Some of the values, a few of them replaced by odd ones."""
    kept = {name: value for name, value in values.items() if random.random() < 0.35}
    return {name: _odd(random) if random.random() < 0.06 else value for name, value in kept.items()}


def _reference(random: Random) -> Any:
    whole = {"type": random.choice(("User", "User", "Service", "Service", "Nothing", "")), "id": _id(random)}
    return _some(random, **whole) if random.random() < 0.1 else whole


def _one(random: Random) -> dict[str, Any]:
    return {} if random.random() < 0.05 else {"id": _id(random)}


def _read(random: Random) -> dict[str, Any]:
    return _one(random) | _fresh(random)


def _fresh(random: Random) -> dict[str, Any]:
    return _some(random, fresh=random.choice((True, False, 1, "true")))


def _changed(random: Random) -> dict[str, Any]:
    return _one(random) | _some(random, key="k", value="v" * 10, if_updated_at=random.choice(_TIMES))


def _index(random: Random) -> dict[str, Any]:
    return _fresh(random) | _some(
        random,
        required=_reference(random),
        requireable=_reference(random),
        key=random.choice(("k", None, "")),
        caller=_some(random, application_id=_id(random), user_id=_id(random)),
        created=_some(random, **{"from": random.choice(_TIMES), "until": random.choice(_TIMES)}),
        search=_some(random, term="o", attributes=random.choice((["key"], ["value", "key"], [], ["id"]))),
        page=_some(random, size=random.choice((1, 200, 201)), after="made up", number=random.choice((1, 100, 101))),
        sort=_some(random, by=random.choice(("id", "updated_at", "key")), order=random.choice(("asc", "DESC"))),
        count=random.choice((True, False, 1)),
    )


def _walk(random: Random) -> dict[str, Any]:
    return _fresh(random) | _some(random, key="k", max_depth=random.choice((1, 64, 65)))


def _closure(random: Random) -> dict[str, Any]:
    page = _some(random, size=random.choice((1, 10_000, 10_001)), after="made up")
    direction = random.choice(("requires", "required_by", "both"))
    return {"of": _reference(random)} | _walk(random) | _some(random, direction=direction, page=page)


def _path(random: Random) -> dict[str, Any]:
    return {"from": _reference(random), "to": _reference(random)} | _walk(random)


def _items(random: Random, *names: str) -> Any:
    """A list of hashes, a few of them with faults."""
    if random.random() < 0.05:
        return random.choice((*ODD, [{}] * 1001))
    items = [
        _some(random, key="k", value="v") | {name: _reference(random) for name in names if random.random() < 0.97}
        for _ in range(random.randint(0, 3))
    ]
    return [_odd(random) if random.random() < 0.04 else item for item in items]


def _create_many(random: Random) -> dict[str, Any]:
    return {"requirements": _items(random, "required", "requireable")} | _some(random, atomic=True)


def _destroy_many(random: Random) -> dict[str, Any]:
    ids = [_id(random) for _ in range(random.randint(0, 4))] if random.random() < 0.95 else _odd(random)
    return {"ids": ids} | _some(random, atomic=True)


def _sync(random: Random) -> dict[str, Any]:
    keys = random.choice((["k"], [None, "k"], [None], [], ["k", 5, "a\0b"], "k"))
    return {"requireable": _reference(random), "requirements": _items(random, "required")} | _some(
        random, keys=keys, dry_run=True
    )


def _changes(random: Random) -> dict[str, Any]:
    return _some(
        random,
        after=random.choice(("now", "made up", "")),
        page=_some(random, size=random.choice((1, 200, 201))),
        wait_seconds=random.choice((0, 0, 31, 0.5)),
        required=_reference(random),
        requireable=_reference(random),
        key=random.choice(("k", None, "")),
    )


_PARAMS = {
    "read": _read,
    "update": _changed,
    "destroy": lambda random: _one(random) | _some(random, if_updated_at=random.choice(_TIMES)),
    "index": _index,
    "closure": _closure,
    "path": _path,
    "create_many": _create_many,
    "destroy_many": _destroy_many,
    "sync": _sync,
    "changes": _changes,
}
