"""The request_uid of a new requirement: unique without a key, stable for one key of one caller."""

import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.callers import Application, Caller, Session
from service.domain.idempotency import IdempotencyKey
from service.domain.references import Reference
from service.domain.requirements import NewRequirement
from service.domain.requirements import new_requirement as new_requirement_of

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PARAMS: dict[str, Any] = {
    "required": Reference("User", 1),
    "requireable": Reference("User", 2),
    "key": None,
    "value": None,
}
DIGEST = bytes(range(32))
RFC = "specified in RFC 4122"

Keys = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255)
Texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
References = st.builds(Reference, st.sampled_from(["User", "Users", "Route"]), st.integers(1, 2**63 - 1))
Contents = st.fixed_dictionaries({"required": References, "requireable": References, "key": Texts, "value": Texts})


def application(number: int) -> Caller:
    """A caller with an application token."""
    return Caller(Application(number, "shop", "Shop", active=True, created_at=NOW, updated_at=NOW), None, sees_all=True)


def user(number: int, session_id: int = 1, opened_in: Caller | None = None) -> Caller:
    """A caller with the token of a user's session."""
    session = Session(session_id, number, "user@example.com", ("client",), False, NOW, NOW, NOW)  # noqa: FBT003
    return Caller(opened_in.application if opened_in else None, session, sees_all=False)


def new_requirement(caller: Caller, params: dict[str, Any], key: str | None) -> NewRequirement:
    """The new requirement of a caller."""
    return new_requirement_of(DIGEST, params, IdempotencyKey(caller, key) if key is not None else None)


def test_a_fresh_uid_is_version_7() -> None:
    """Without a key the uid is a UUID of version 7, which starts with the time in milliseconds."""
    before = time.time_ns() // 1_000_000
    item = new_requirement(user(1), PARAMS, None)
    after = time.time_ns() // 1_000_000
    uid = UUID(item.request_uid)
    assert (uid.version, uid.variant, str(uid)) == (7, RFC, item.request_uid)
    assert before <= uid.int >> 80 <= after
    assert item.params_digest is None


def test_fresh_uids_differ() -> None:
    """Uids without a key are unique, even within one millisecond."""
    assert len({new_requirement(user(1), PARAMS, None).request_uid for _ in range(10_000)}) == 10_000


def test_later_uids_sort_after_earlier_ones() -> None:
    """A uid made in a later millisecond sorts after the earlier one."""
    first = UUID(new_requirement(user(1), PARAMS, None).request_uid)
    while (later := UUID(new_requirement(user(1), PARAMS, None).request_uid)).int >> 80 == first.int >> 80:
        pass
    assert later > first


@pytest.mark.parametrize("caller", [application(5), user(5)])
def test_a_keyed_uid_is_version_8_and_stable(caller: Caller) -> None:
    """With a key the uid is a UUID of version 8 that depends only on the key and its owner."""
    one = new_requirement(caller, PARAMS, "key")
    two = new_requirement(caller, PARAMS | {"key": "other", "session_view": "default"}, "key")
    uid = UUID(one.request_uid)
    assert (uid.version, uid.variant, str(uid)) == (8, RFC, one.request_uid)
    assert one.request_uid == two.request_uid
    assert one.params_digest != two.params_digest


def test_a_keyed_uid_survives_releases() -> None:
    """Keyed uids are the same in every release, so that keys stay valid across upgrades."""
    assert new_requirement(application(5), PARAMS, "key").request_uid == "fbb37d50-fd9e-897e-8692-67f7f4206152"
    assert new_requirement(user(5), PARAMS, "key").request_uid == "dd4e35dd-983e-8ac3-94bd-7287af05f225"


def test_the_scope_is_the_user_or_the_application() -> None:
    """Sessions of one user share keys, whatever application they were opened in; other callers do not."""
    shared = [user(5), user(5, session_id=2), user(5, session_id=3, opened_in=application(7))]
    assert len({new_requirement(caller, PARAMS, "key").request_uid for caller in shared}) == 1
    callers = [user(5), user(7), application(5), application(7), user(57), application(57)]
    assert len({new_requirement(caller, PARAMS, "key").request_uid for caller in callers}) == len(callers)


@given(st.sets(st.tuples(st.booleans(), st.integers(1, 200), Keys), min_size=2, max_size=20))
def test_keyed_uids_are_distinct(identities: set[tuple[bool, int, str]]) -> None:
    """Different pairs of owner and key have different uids."""
    made = {
        new_requirement(user(number) if by_user else application(number), PARAMS, key).request_uid
        for by_user, number, key in identities
    }
    assert len(made) == len(identities)


@given(Contents, Contents)
def test_the_digest_tells_params_apart(one: dict[str, Any], two: dict[str, Any]) -> None:
    """Params have the same digest if and only if they are equal."""
    digests = [new_requirement(user(1), params, "key").params_digest for params in (one, two)]
    assert (digests[0] == digests[1]) == (one == two)
    assert digests[0] == new_requirement(application(9), one, "another").params_digest


@pytest.mark.parametrize(
    "change",
    [
        {"key": ""},
        {"key": "null"},
        {"value": ""},
        {"required": PARAMS["requireable"]},
        {"requireable": PARAMS["required"]},
    ],
)
def test_the_digest_of_similar_params(change: dict[str, Any]) -> None:
    """Similar params have different digests; the views are not part of the digest."""
    digest = new_requirement(user(1), PARAMS, "key").params_digest
    assert new_requirement(user(1), PARAMS | change, "key").params_digest != digest
    assert new_requirement(user(1), PARAMS | {"application_view": "default"}, "key").params_digest == digest


@pytest.mark.parametrize("key", [None, "key"])
def test_the_fields_of_a_new_requirement(key: str | None) -> None:
    """A new requirement has the token's digest, the references, the key and the value."""
    params = PARAMS | {"key": "tier", "value": "gold"}
    item = new_requirement(application(7), params, key)
    assert (item.token_digest, item.key, item.value, item.retried) == (DIGEST, "tier", "gold", False)
    assert (item.required, item.requireable) == (PARAMS["required"], PARAMS["requireable"])
