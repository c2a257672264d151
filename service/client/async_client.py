"""The client for asyncio. `sync_client` makes the blocking client of it, with the same methods."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Literal

from service.client import records
from service.client.batch_results import BatchResult
from service.client.call import Call
from service.client.params import (
    NOT_PASSED,
    NotPassed,
    caller_and_created_params,
    filter_params,
    given,
    passed,
    reference_param,
    search_params,
)
from service.client.params import new_requirement_param as new_param
from service.client.params import wanted_requirement_param as wanted_param
from service.client.records import Reference, Requirement, requirement_of, requirements_page_of
from service.client.service_calls import ServiceCalls

MAX_INDEX_PAGE = 200

# Shorter than the time-outs of usual gateways, that of deploy/nginx among them.
CHANGES_WAIT_SECONDS = 10


class AsyncRequirements(ServiceCalls):
    """A client of the requirements service at `base_url`, with the token of an application or a session.

    It has one pool of connections: make one client, share it between tasks, and close it, or use it in `async with`.
    Every call ends within `deadline_seconds`, its repetitions included; an attempt without a response is given up after
    `attempt_seconds`. At most `max_connections` attempts run at the same time, and others wait for them.
    `encode_params` sends params in base64, which routes with sensitive params ask for. `ssl_context` replaces the
    default verification of https certificates.

    Every method raises a `RequirementsError` if the call failed. Every call that writes carries an Idempotency-Key,
    `idempotency_key` if given: the same key and arguments return the first result, also from another process.
    Times are texts of RFC 3339. Reads with `fresh`, or with a cursor of the feed as `read_after`, are answered by a
    server that has every earlier change, or the changes up to that cursor.
    """

    async def create(
        self,
        required: Reference,
        requireable: Reference,
        *,
        key: str | None = None,
        value: str | None = None,
        idempotency_key: str | None = None,
    ) -> Requirement:
        """Record that `requireable` requires `required`, and return the record.

        Raises `MandrillEmailFailed`, with the record, if it was created but its e-mail was not accepted yet.
        """
        new = records.NewRequirement(required, requireable, key, value)
        return await self._write("create", new_param(new), requirement_of, idempotency_key)

    async def read(self, requirement_id: int, *, fresh: bool = False, read_after: str | None = None) -> Requirement:
        """Return the record with this id. Raises `InvalidParam` on `id` if there is none."""
        return await self._read("read", {"id": requirement_id}, requirement_of, fresh=fresh, read_after=read_after)

    async def index(
        self,
        *,
        required: Reference | str | None = None,
        requireable: Reference | str | None = None,
        key: str | NotPassed | None = NOT_PASSED,
        application_id: int | None = None,
        user_id: int | None = None,
        created_from: datetime | str | None = None,
        created_until: datetime | str | None = None,
        search: str | None = None,
        search_attributes: Sequence[Literal["key", "value"]] | None = None,
        sort_by: Literal["id", "created_at", "updated_at"] = "id",
        sort_order: Literal["asc", "desc"] = "desc",
        page_size: int = MAX_INDEX_PAGE,
        after: str | None = None,
        count: bool = False,
        fresh: bool = False,
        read_after: str | None = None,
    ) -> AsyncGenerator[records.RequirementsPage, None]:
        """Iterate over the pages of the requirements that pass all filters, until there is nothing more.

        A filter by reference is a thing, or a type alone. The key None means those without a key. `application_id` or
        `user_id` is the caller who created them. `created_until` is the first time after the range. `search` is looked
        for in `search_attributes`, by default in both. `after` is the `next` of a page, to go on from there.
        """
        params = {
            **filter_params(required, requireable, key),
            **caller_and_created_params(application_id, user_id, created_from, created_until),
            **search_params(search, search_attributes),
            "sort": {"by": sort_by, "order": sort_order},
            "count": count,
        }
        while True:
            params["page"] = given(size=page_size, after=after)
            page = await self._read("index", params, requirements_page_of, fresh=fresh, read_after=read_after)
            yield page
            if page.next is None:
                return
            params["count"], after = False, page.next

    async def update(
        self,
        requirement_id: int,
        *,
        key: str | NotPassed | None = NOT_PASSED,
        value: str | NotPassed | None = NOT_PASSED,
        if_updated_at: str | None = None,
        idempotency_key: str | None = None,
    ) -> Requirement:
        """Change what is passed, where None clears it, and return the record as it is now.

        With the `updated_at` of a record as `if_updated_at`, raises `InvalidParam` if it was changed since.
        """
        params = {"id": requirement_id} | passed(key=key, value=value) | given(if_updated_at=if_updated_at)
        return await self._write("update", params, requirement_of, idempotency_key)

    async def destroy(
        self, requirement_id: int, *, if_updated_at: str | None = None, idempotency_key: str | None = None
    ) -> Requirement:
        """Delete a requirement, and return the record as it was. `if_updated_at` is as in `update`."""
        params = {"id": requirement_id} | given(if_updated_at=if_updated_at)
        return await self._write("destroy", params, requirement_of, idempotency_key)

    async def create_many(
        self,
        requirements: Sequence[records.NewRequirement],
        *,
        atomic: bool = False,
        idempotency_key: str | None = None,
    ) -> BatchResult:
        """Create 1 to 1000 requirements, and return a verdict on each one: some can fail while others are created.

        If `atomic`, all are created or none, and an item that cannot be created raises its exception.
        """
        params = {"requirements": [new_param(new) for new in requirements], "atomic": atomic}
        return await self._batch("create_many", params, idempotency_key)

    async def destroy_many(
        self, ids: Sequence[int], *, atomic: bool = False, idempotency_key: str | None = None
    ) -> BatchResult:
        """Delete 1 to 1000 requirements, and return a verdict on each one, with `atomic` as in `create_many`."""
        params = {"ids": list(ids), "atomic": atomic}
        return await self._batch("destroy_many", params, idempotency_key)

    async def sync(
        self,
        requireable: Reference,
        requirements: Sequence[records.WantedRequirement],
        *,
        keys: Sequence[str | None] | None = None,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> tuple[records.SyncChange, ...]:
        """Make `requirements` (0 to 1000) all that `requireable` requires, and return each change and what was kept.

        With `keys`, requirements with other keys are left alone. A `dry_run` changes nothing.
        """
        wanted = {"requireable": reference_param(requireable), "requirements": list(map(wanted_param, requirements))}
        params = wanted | given(keys=None if keys is None else list(keys)) | {"dry_run": dry_run}
        if dry_run:
            return await self._sender.send(Call("sync", params, records.sync_changes_of))
        return await self._write("sync", params, records.sync_changes_of, idempotency_key)

    async def closure(
        self,
        of: Reference,
        *,
        direction: Literal["requires", "required_by"] = "requires",
        key: str | NotPassed | None = NOT_PASSED,
        max_depth: int | None = None,
        fresh: bool = False,
        read_after: str | None = None,
    ) -> records.Closure:
        """Return everything that `of` requires, directly or through others, or everything that requires it.

        Nothing is cut: more than one call is made if it takes them. Raises `InvalidParam` on `page.after` if what was
        read changed between them: then call again.
        """
        params = {"of": reference_param(of), "direction": direction} | passed(key=key) | given(max_depth=max_depth)
        results: list[records.ReachedThing] = []
        cycles: list[records.CycleClosing] = []
        while True:
            page = await self._read("closure", params, records.closure_page_of, fresh=fresh, read_after=read_after)
            results += page.closure.results
            cycles += page.closure.cycles
            if page.next is None:
                return records.Closure(tuple(results), tuple(cycles))
            params["page"] = {"after": page.next}

    async def path(
        self,
        source: Reference,
        target: Reference,
        *,
        key: str | NotPassed | None = NOT_PASSED,
        max_depth: int | None = None,
        fresh: bool = False,
        read_after: str | None = None,
    ) -> tuple[Requirement, ...] | None:
        """Return a shortest chain of requirements by which `source` requires `target`, or None if there is none."""
        ends = {"from": reference_param(source), "to": reference_param(target)}
        params = ends | passed(key=key) | given(max_depth=max_depth)
        return await self._read("path", params, records.chain_of, fresh=fresh, read_after=read_after)

    async def changes(
        self,
        after: str | None = None,
        *,
        follow: bool = True,
        wait_seconds: int = CHANGES_WAIT_SECONDS,
        page_size: int | None = None,
        required: Reference | str | None = None,
        requireable: Reference | str | None = None,
        key: str | NotPassed | None = NOT_PASSED,
    ) -> AsyncGenerator[records.EventsPage, None]:
        """Iterate over the changes after a cursor, in order, and wait for further ones for as long as it is asked.

        Without a cursor, begins with the oldest event that is kept; with "now", with what changes from now on. Store
        the `next` of a page with what came of its events, and pass it as `after` to go on from there. A page is without
        events if only changes that do not pass the filters were read. The service holds a call for up to `wait_seconds`
        (1 to 30) when there is nothing new. Without `follow`, the iteration ends then.

        Raises `InvalidParam` on `after` if the cursor is no longer kept, or of another database: read everything anew.
        """
        if follow and wait_seconds < 1:
            raise ValueError("wait_seconds must be at least 1")
        waits = wait_seconds if follow else 0
        params = filter_params(required, requireable, key) | {"wait_seconds": waits, "page": given(size=page_size)}
        while True:
            call = Call("changes", params | given(after=after), records.events_page_of, waits_seconds=waits)
            page = await self._sender.send(call)
            if page.results or page.next != after:
                yield page
            elif not follow:
                return
            after = page.next
