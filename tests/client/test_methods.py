"""Each method of both clients, against the service."""

import dataclasses
import inspect
import itertools
from datetime import UTC, datetime

import pytest

from service.client import (
    NOT_PASSED,
    AsyncRequirements,
    CycleClosing,
    InvalidParam,
    MissingParam,
    ReachedThing,
    Reference,
    Requirement,
    Requirements,
)
from tests.client.conftest import Calling
from tests.factories import AppRecord, Records

ACTIONS = (
    "create",
    "read",
    "index",
    "update",
    "destroy",
    "create_many",
    "destroy_many",
    "sync",
    "closure",
    "path",
    "changes",
)


async def chain(call: Calling, *things: Reference) -> list[Requirement]:
    """Make each thing require the next one; return the requirements."""
    return [await call("create", required, requireable) for requireable, required in itertools.pairwise(things)]


async def test_create_returns_the_record(call: Calling, records: Records, user: Reference, app: Reference) -> None:
    """`create` writes what it was passed, and returns the record."""
    made = await call("create", user, app, key="tier", value="gold ✓")
    row = await records.connection.fetchrow("SELECT * FROM requirements")
    assert row is not None
    assert made == Requirement(row["id"], user, app, "tier", "gold ✓", made.created_at, made.updated_at)
    assert datetime.fromisoformat(made.created_at) == row["created_at"]
    assert (row["key"], row["value"]) == ("tier", "gold ✓")


async def test_a_record_cannot_be_changed(call: Calling, user: Reference, app: Reference) -> None:
    """Records are frozen."""
    made = await call("create", user, app)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.value = "other"


async def test_read_returns_the_record(call: Calling, user: Reference, app: Reference) -> None:
    """`read` returns what `create` returned."""
    made = await call("create", user, app, key="tier")
    assert await call("read", made.id) == made
    assert await call("read", made.id, fresh=True) == made


async def test_an_absent_id_is_an_invalid_param(call: Calling) -> None:
    """An id that does not exist raises `InvalidParam`, which names it."""
    with pytest.raises(InvalidParam, match=r"^invalid-param: A param is invalid\. id does not exist\. ") as raised:
        await call("read", 1)
    assert [(error.param, error.message) for error in raised.value.errors] == [("id", "does not exist")]
    assert (raised.value.status, raised.value.outcome) == ("invalid-param", "none")


async def test_update_changes_what_is_passed(call: Calling, user: Reference, app: Reference) -> None:
    """`update` leaves what is not passed as it is, and clears what is None."""
    made = await call("create", user, app, key="tier", value="gold")
    silver = await call("update", made.id, value="silver")
    assert (silver.key, silver.value) == ("tier", "silver")
    cleared = await call("update", made.id, key=None)
    assert (cleared.key, cleared.value) == (None, "silver")
    assert await call("read", made.id) == cleared
    with pytest.raises(MissingParam, match="key is required"):
        await call("update", made.id)


@pytest.mark.parametrize(("action", "change"), [("update", {"value": "late"}), ("destroy", {})])
async def test_a_record_that_was_changed_since_is_left_alone(
    call: Calling, user: Reference, app: Reference, action: str, change: dict[str, str]
) -> None:
    """With `if_updated_at`, a record that was changed since stays as it is, and another one is changed."""
    made = await call("create", user, app, value="first")
    changed = await call("update", made.id, value="second", if_updated_at=made.updated_at)
    with pytest.raises(InvalidParam, match="if_updated_at"):
        await call(action, made.id, if_updated_at=made.updated_at, **change)
    assert await call("read", made.id) == changed


async def test_destroy_returns_the_record_as_it_was(call: Calling, user: Reference, app: Reference) -> None:
    """`destroy` deletes a record and returns it."""
    made = await call("create", user, app)
    assert await call("destroy", made.id, if_updated_at=made.updated_at) == made
    with pytest.raises(InvalidParam):
        await call("read", made.id)


async def test_index_goes_through_all_pages(call: Calling, user: Reference, app: Reference) -> None:
    """`index` iterates over pages until everything was returned, the latest first; the first page has the count."""
    made = [await call("create", user, app, value=str(number)) for number in range(5)]
    pages = await call("index", page_size=2, count=True)
    assert [record for page in pages for record in page.results] == made[::-1]
    assert [(len(page.results), page.complete, page.count) for page in pages] == [
        (2, False, 5),
        (2, False, None),
        (1, True, None),
    ]
    rest = await call("index", page_size=2, after=pages[0].next)
    assert [record for page in rest for record in page.results] == made[2::-1]


async def test_index_cuts_nothing_by_default(
    call: Calling, records: Records, application: AppRecord, user: Reference
) -> None:
    """Without arguments, `index` returns every requirement, however many there are."""
    await records.connection.execute(
        "INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, application_id)"
        " SELECT 'User', $1, 'Application', $2, $2 FROM generate_series(1, 450)",
        user.id,
        application.id,
    )
    pages = await call("index")
    assert [len(page.results) for page in pages] == [200, 200, 50]


async def test_index_filters(call: Calling, application: AppRecord, user: Reference, app: Reference) -> None:
    """Each filter and sort of `index` reaches the service; a key of None is a filter, a key not passed is none."""
    keyed = await call("create", user, app, key="tier", value="gold")
    plain = await call("create", app, user)
    await call("update", keyed.id, value="silver")

    async def listed(**filters: object) -> list[int]:
        return [record.id for page in await call("index", **filters) for record in page.results]

    both = [plain.id, keyed.id]
    created = datetime.fromisoformat(plain.created_at)
    assert await listed(key=NOT_PASSED) == both
    assert await listed(key=None, required=app) == [plain.id]
    assert await listed(key="tier") == [keyed.id]
    assert await listed(required=user) == await listed(required="User") == [keyed.id]
    assert await listed(requireable=user) == await listed(requireable="User") == [plain.id]
    assert await listed(application_id=application.id) == both
    assert await listed(user_id=user.id) == []
    assert await listed(created_from=created) == [plain.id]
    assert await listed(created_until=plain.created_at) == [keyed.id]
    assert await listed(created_from=datetime(9000, 1, 1, tzinfo=UTC)) == []
    assert await listed(requireable=app, search="SILV") == [keyed.id]
    assert await listed(requireable=app, search="SILV", search_attributes=["key"]) == []
    assert await listed(sort_order="asc") == both[::-1]
    assert await listed(sort_by="updated_at") == both[::-1]


async def test_closure_and_path(call: Calling, user: Reference, app: Reference, records: Records) -> None:
    """`closure` returns what a thing requires in the end, and the cycles; `path` returns why, or None."""
    other = Reference("User", (await records.user())[0])
    first, second, back = await chain(call, app, user, other, app)
    closure = await call("closure", app)
    assert closure.results == (
        ReachedThing("User", user.id, 1, first.id),
        ReachedThing("User", other.id, 2, second.id),
    )
    assert closure.cycles == (CycleClosing(back.id, other, app),)
    required_by = await call("closure", user, direction="required_by", max_depth=1)
    assert required_by.results == (ReachedThing("Application", app.id, 1, first.id),)
    assert (await call("closure", app, key="tier")).results == ()
    assert await call("path", app, other) == (first, second)
    assert await call("path", app, other, max_depth=1) is None
    assert await call("path", app, other, key=None, fresh=True) == (first, second)
    assert await call("path", app, other, key="tier") is None


async def test_closure_cuts_nothing(call: Calling, records: Records, application: AppRecord, app: Reference) -> None:
    """`closure` returns all things, also if they are more than the service returns in one response."""
    await records.connection.execute(
        "INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, application_id)"
        " SELECT 'User', number, 'Application', $1, $1 FROM generate_series(1, 10100) AS numbers (number)",
        application.id,
    )
    closure = await call("closure", app)
    assert [(thing.type, thing.id) for thing in closure.results] == [("User", number) for number in range(1, 10_101)]


async def test_a_session_sees_its_own(service_url: str, records: Records, call: Calling, user: Reference) -> None:
    """The token decides what a client sees: another user's requirement does not exist to a client's session."""
    made = await call("create", user, user)
    session = await records.session("client")
    async with AsyncRequirements(service_url, session.token) as client:
        assert [page.results async for page in client.index()] == [()]
        with pytest.raises(InvalidParam):
            await client.read(made.id)


@pytest.mark.parametrize("name", [*ACTIONS, "__init__"])
def test_both_clients_take_the_same_arguments(name: str) -> None:
    """Each method has the same arguments, defaults and description in both clients."""
    blocking, other = getattr(Requirements, name), getattr(AsyncRequirements, name)
    assert inspect.signature(blocking).parameters == inspect.signature(other).parameters
    assert name == "__init__" or blocking.__doc__ == other.__doc__
    assert not inspect.iscoroutinefunction(blocking)


def test_both_clients_have_all_methods() -> None:
    """Both clients have the same public methods: one for each action, and `close`."""
    names = [{name for name in dir(kind) if not name.startswith("_")} for kind in (Requirements, AsyncRequirements)]
    assert names == [{*ACTIONS, "close"}] * 2
