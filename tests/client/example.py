"""An example that uses everything of the client, blocking and with asyncio. A test runs it; mypy checks it."""

from collections.abc import Iterator

from service.client import (
    ApplicationCrash,
    AsyncRequirements,
    BatchResult,
    Closure,
    EventsPage,
    InvalidParam,
    NewRequirement,
    NoResponse,
    Reference,
    Requirement,
    Requirements,
    SyncChange,
    WantedRequirement,
)


def use_blocking(base_url: str, token: str, service: Reference, app: Reference) -> list[str]:
    """Call every method of the blocking client. Returns the changes that the feed returned, in order."""
    with Requirements(base_url, token, deadline_seconds=20, attempt_seconds=5, max_connections=10) as client:
        start = next(iter(client.changes("now", follow=False))).next
        made = client.create(service, app, key="tier", value="gold", idempotency_key="order-7")
        changed = client.update(made.id, value=None, if_updated_at=made.updated_at)
        read: Requirement = client.read(changed.id, fresh=True)
        try:
            client.update(made.id, value="silver", if_updated_at=made.updated_at)
        except InvalidParam as error:
            faults = [fault.param for fault in error.errors]
        except (ApplicationCrash, NoResponse) as error:
            faults = [error.outcome, error.request_id]
        listed = [
            record for page in client.index(requireable=app, key="tier", sort_order="asc") for record in page.results
        ]
        chain: tuple[Requirement, ...] | None = client.path(app, service)
        closure: Closure = client.closure(app, direction="requires", max_depth=3)
        assert (faults, read, listed, chain) == (["if_updated_at"], changed, [changed], (changed,))
        assert [(thing.type, thing.depth) for thing in closure.results] == [(service.type, 1)]

        many: BatchResult = client.create_many([NewRequirement(service, app, key=str(number)) for number in range(3)])
        ids = [record.id for record in many.requirements()]
        gone: BatchResult = client.destroy_many(ids[:2], atomic=True)
        assert (many.succeeded, gone.failed) == (3, 0)
        plan: tuple[SyncChange, ...] = client.sync(app, [WantedRequirement(service, "tier", "bronze")], dry_run=True)
        done = client.sync(app, [WantedRequirement(service, "tier", "bronze")])
        assert [change.change for change in plan] == [change.change for change in done]
        client.destroy(made.id)
        return list(told(client.changes(start, follow=False, required=service)))


def told(pages: Iterator[EventsPage]) -> Iterator[str]:
    """What each event says."""
    for page in pages:
        for event in page.results:
            yield f"{event.change} {event.requirement.key}"


async def use_async(base_url: str, token: str, service: Reference, app: Reference) -> list[str]:
    """The same with asyncio, in part."""
    async with AsyncRequirements(base_url, token) as client:
        made = await client.create(service, app)
        pages = [page async for page in client.index(key=None, count=True)]
        assert [record.id for page in pages for record in page.results] == [made.id]
        await client.destroy(made.id)
        changes: list[str] = []
        async for page in client.changes(wait_seconds=1):
            changes += [event.change for event in page.results if event.requirement.id == made.id]
            if changes[-1:] == ["destroyed"]:
                break
        return changes
