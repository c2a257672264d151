"""`fresh` and X-Read-After on a service without a replica: they are checked, and change no answer."""

import pytest

from service.domain.statuses import InvalidParam
from tests.api.exchange import post_create, refusal
from tests.api.feed import post
from tests.conftest import Client
from tests.factories import CHANGES, INDEX, AppRecord, params

PROBLEM = ("X-Read-After", "must be a next or cursor that the feed of this database has given")


async def test_a_cursor_of_the_feed(client: Client, application: AppRecord, user_id: int) -> None:
    """Every cursor that the feed has given is accepted, and the answer is as without it."""
    plain = await post(client, INDEX, application.token)
    for _ in range(2):
        now = (await post(client, CHANGES, application.token, after="now")).data["next"]
        after = await post(client, INDEX, application.token, {"X-Read-After": now})
        assert after.code_and_body == (await post(client, INDEX, application.token, fresh=True)).code_and_body
        assert "X-Read-From" not in after.headers
        await post_create(client, params(application.token, user_id))
    assert len(after.data["results"]) == len(plain.data["results"]) + 1


@pytest.mark.parametrize("value", ["", "now", "x", "x" * 1000, "ü"])
async def test_what_is_no_cursor(client: Client, application: AppRecord, value: str) -> None:
    """Anything else is refused, as the feed refuses it."""
    answer = await post(client, INDEX, application.token, {"X-Read-After": value})
    assert answer.code_and_body == refusal(InvalidParam, PROBLEM)


async def test_two_cursors(client: Client, application: AppRecord) -> None:
    """Two headers are refused, even if both are cursors."""
    now = (await post(client, CHANGES, application.token, after="now")).data["next"]
    answer = await post(client, INDEX, application.token, [("X-Read-After", now), ("X-Read-After", now)])
    assert answer.code_and_body == refusal(InvalidParam, PROBLEM)


async def test_a_cursor_of_a_list(client: Client, application: AppRecord, user_id: int) -> None:
    """A cursor of something else than the feed is refused."""
    for _ in range(2):
        await post_create(client, params(application.token, user_id))
    page = await post(client, INDEX, application.token, page={"size": 1})
    answer = await post(client, INDEX, application.token, {"X-Read-After": page.data["page"]["next"]})
    assert answer.code_and_body == refusal(InvalidParam, PROBLEM)


async def test_other_actions_ignore_the_header(client: Client, application: AppRecord, user_id: int) -> None:
    """Only reads that a replica may answer look at the header."""
    header = {"X-Read-After": "x"}
    assert (await post(client, CHANGES, application.token, header)).status == "action-successful"
    created = await post_create(client, params(application.token, user_id), header)
    assert created.status == "action-successful"
