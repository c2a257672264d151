"""The action `index`: filters, order, pages, counts, and only what the caller may see."""

import asyncio
import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.api.app import create_app
from service.config import Config
from service.domain.references import MAX_ID
from service.domain.statuses import InvalidParam, InvalidToken, MissingParam
from tests.api.exchange import post_create, refusal
from tests.api.index_pages import expected_ids, ids_of, ids_on, pages, post_index, stored
from tests.conftest import AppClient, Client
from tests.factories import AppRecord, Records, SessionRecord, params
from tests.proxy import Proxy

SORTS = [{"by": by, "order": order} for by in ("id", "created_at", "updated_at") for order in ("asc", "desc")]

# Rows whose order by each time differs from that by id, with equal times, and every filter's values mixed.
FILL = """
INSERT INTO requirements (
    required_type, required_id, requireable_type, requireable_id, key, value, application_id, user_id, created_at,
    updated_at
)
SELECT
    CASE WHEN n % 3 = 0 THEN 'Service' ELSE 'User' END, 1 + n % 2 * (n % 5), 'User', 1 + n % 4,
    CASE n % 6 WHEN 0 THEN 'gold' WHEN 1 THEN 'Gold' WHEN 2 THEN '' WHEN 3 THEN '50%' END,
    CASE WHEN n % 4 > 0 THEN 'Über_' || n % 10 END, CASE WHEN n % 5 > 0 THEN $2::bigint END,
    CASE WHEN n % 2 = 0 THEN $3::bigint WHEN n % 7 = 0 THEN $4::bigint END,
    '2026-05-01Z'::timestamptz + (n * 37 % 50) * interval '1 hour',
    '2026-05-01Z'::timestamptz + (n * 53 % 40) * interval '1 day'
FROM generate_series(1, $1::integer) AS n
"""
COPIES = """
INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, key)
SELECT 'User', 1, 'User', 2, 'many' FROM generate_series(1, $1::integer)
"""
ODD_ROWS = """
INSERT INTO requirements (id, required_type, required_id, requireable_type, requireable_id, created_at, updated_at)
SELECT id, 'Other', -1, 'User', 1, moment::timestamptz, moment::timestamptz
FROM unnest($1::bigint[], $2::text[]) AS odd (id, moment)
"""
INVALID_CURSOR = refusal(
    InvalidParam, ("page.after", "must be the next of a page with the same filters, sort and caller")
)
TYPES = "must be one of Application, Client, Employee, Liaison, Route, Service, User"
TIME = "must be a time with a zone, such as 2026-11-23T10:00:00Z"
ATTRIBUTES = "must be a list of key and value"
ID = f"must be an integer from 1 to {MAX_ID}"


@pytest.fixture
async def own(records: Records) -> SessionRecord:
    """A session of a client."""
    return await records.session("client")


@pytest.fixture
async def filled(records: Records, application: AppRecord, own: SessionRecord) -> int:
    """The number of requirements: the client's, an application's, and those of others."""
    count = 120
    await records.connection.execute(FILL, count, application.id, own.user_id, own.user_id + 1000)
    return count


async def test_the_latest_come_first(client: Client, application: AppRecord, user_id: int) -> None:
    """Without params, a list has the records as the creates returned them, the latest first, and is complete."""
    created = [
        (await post_create(client, params(application.token, user_id, key=f"k{number}"))).data for number in range(3)
    ]
    listed = await post_index(client, application.token, application_view="default")
    view = {"id": application.id, "slug": application.slug, "name": application.slug.title()}
    assert listed.code_and_body == (
        200,
        {
            "status": "action-successful",
            "message": "The requirements were listed.",
            "data": {"results": created[::-1], "complete": True, "page": {"size": 50, "next": None}},
            "application": view,
        },
    )
    assert listed.outcome is None


async def test_an_empty_list(client: Client, application: AppRecord) -> None:
    """A list without requirements is complete, and its count is 0."""
    assert (await post_index(client, application.token, count=True)).data == {
        "results": [],
        "complete": True,
        "page": {"size": 50, "next": None},
        "count": 0,
    }


FILTERS: list[dict[str, Any]] = [
    {"required": {"type": "User", "id": 1}},
    {"required": {"type": "Service"}},
    {"required": {"type": "Route", "id": 1}},
    {"requireable": {"type": "User", "id": 2}},
    {"requireable": {"type": "User", "id": None}},
    {"key": "gold"},
    {"key": ""},
    {"key": None},
    {"key": "GOLD"},
    {"caller": {"application_id": 1}},
    {"caller": {"user_id": MAX_ID}},
    {"created": {"from": "2026-05-01T05:00:00+00:00", "until": "2026-05-02T00:00:00+00:00"}},
    {"created": {"from": "2026-05-02T00:00:00+00:00"}},
    {"created": {"until": "2026-05-01T00:00:00+00:00"}},
    {"key": "gold", "search": {"term": "ÜBER"}},
    {"requireable": {"type": "User", "id": 1}, "search": {"term": "%"}},
    {"requireable": {"type": "User", "id": 1}, "search": {"term": "_"}},
    {"required": {"type": "User"}, "search": {"term": "OLD", "attributes": ["key"]}},
    {"required": {"type": "User"}, "search": {"term": "gold", "attributes": ["value"]}},
    {"key": None, "search": {"term": "r_1", "attributes": ["key", "value"]}},
]


async def test_filters(client: Client, records: Records, application: AppRecord, filled: int) -> None:
    """A list has exactly the requirements that pass its filter, and their count."""
    rows = await stored(records.connection)
    for filters, size in itertools.product(FILTERS, (2, 200)):
        listed = [data async for data in pages(client, application.token, page={"size": size}, count=True, **filters)]
        ids = expected_ids(rows, filters)
        assert [record["id"] for data in listed for record in data["results"]] == ids, filters
        assert {(data["count"], "count_is_at_least" in data) for data in listed} == {(len(ids), False)}, filters
        assert len(ids) < filled or filters == {"requireable": {"type": "User", "id": None}}


@pytest.mark.parametrize("size", [1, 7, 119, 120])
async def test_all_pages_are_the_table(
    client: Client, records: Records, application: AppRecord, filled: int, size: int
) -> None:
    """The pages of a list have every requirement once, in the order that was asked for, also with equal times."""
    rows = await stored(records.connection)
    for sort in (*SORTS, {"by": None, "order": "asc"}, {}):
        listed = [data async for data in pages(client, application.token, page={"size": size}, sort=sort)]
        ids = [record["id"] for data in listed for record in data["results"]]
        assert ids == expected_ids(rows, {"sort": sort}), sort
        assert [len(data["results"]) for data in listed] == [size] * (filled // size) + [filled % size] * (
            filled % size > 0
        )


@pytest.mark.parametrize("sort", SORTS, ids=str)
async def test_rows_written_meanwhile_shift_nothing(
    client: Client, records: Records, application: AppRecord, filled: int, sort: dict[str, str]
) -> None:
    """Requirements written or deleted between two pages repeat or skip no other requirement."""
    before = expected_ids(await stored(records.connection), {"sort": sort})
    ids: list[int] = []
    async for data in pages(client, application.token, page={"size": 10}, sort=sort):
        ids += [record["id"] for record in data["results"]]
        await records.connection.execute(COPIES, 3)
        await records.connection.execute("DELETE FROM requirements WHERE id = $1", before[len(before) // 2])
    gone = {before[len(before) // 2]}
    assert [number for number in ids if number <= filled and number not in gone] == [
        number for number in before if number not in gone
    ]
    assert len(ids) == len(set(ids))


async def test_numbered_pages(client: Client, records: Records, application: AppRecord, filled: int) -> None:
    """A page by number is that page of the list, one after the end is empty, and next goes on from it."""
    rows = await stored(records.connection)
    for sort in SORTS:
        ids = expected_ids(rows, {"sort": sort})
        for number in (1, 2, 17, 18, 100):
            response = await post_index(client, application.token, page={"size": 7, "number": number}, sort=sort)
            assert ids_on(response) == ids[(number - 1) * 7 : number * 7], (sort, number)
            assert response.data["complete"] == (number * 7 >= filled)
        assert await ids_of(client, application.token, page={"size": 7, "number": 3}, sort=sort) == ids[14:]


@pytest.mark.usefixtures("filled")
async def test_a_numbered_page_that_a_filter_makes_far(
    client: Client, records: Records, application: AppRecord
) -> None:
    """If a numbered page is too far to be found at once, next leads to exactly this page."""
    await records.connection.execute(COPIES, 150)
    await records.connection.execute(FILL, 400, application.id, 5, 6)
    filters = {"key": "gold", "requireable": {"type": "User", "id": 1}, "caller": {"application_id": application.id}}
    ids = expected_ids(await stored(records.connection), filters)
    first, *others = [
        data async for data in pages(client, application.token, page={"size": 1, "number": 20}, **filters)
    ]
    listed = [record["id"] for data in (first, *others) for record in data["results"]]
    assert listed == ids[19:]


async def test_a_sparse_page_goes_on(client: Client, records: Records, application: AppRecord) -> None:
    """A page that may not read on is not complete, even without results, and next leads to the rest."""
    await records.connection.execute(COPIES, 1)
    await records.connection.execute(COPIES.replace("'many'", "'more'"), 900)
    filters = {"required": {"type": "User", "id": 1}, "search": {"term": "MANY"}}
    listed = [data async for data in pages(client, application.token, page={"size": 1}, count=True, **filters)]
    assert [len(data["results"]) for data in listed] == [0] * 9 + [1]
    assert [data["complete"] for data in listed] == [False] * 9 + [True]
    assert {data["count"] for data in listed} == {1}


@pytest.mark.usefixtures("filled")
async def test_a_changed_cursor_is_refused(client: Client, application: AppRecord) -> None:
    """A cursor with any character replaced, removed or added is invalid, and so is any other text."""
    page = (await post_index(client, application.token, page={"size": 5})).data["page"]
    cursor = page["next"]
    changed = {
        f"{cursor[:place]}{'B' if cursor[place] == 'A' else 'A'}{cursor[place + 1 :]}" for place in range(len(cursor))
    }
    changed |= {f"{cursor[:-1]}{other}" for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"}
    changed |= {
        "",
        "A",
        cursor[:-1],
        cursor[1:],
        f"{cursor}A",
        f"{cursor}=",
        f" {cursor}",
        f"{cursor}\n",
        "é",
        "\ufeff",
    }
    for text in changed - {cursor}:
        response = await post_index(client, application.token, page={"size": 5, "after": text})
        assert response.code_and_body == INVALID_CURSOR, text
    assert (
        await post_index(client, application.token, page={"size": 9, "after": cursor})
    ).status == "action-successful"


OTHER_LISTS: list[dict[str, Any]] = [
    {"required": {"type": "User", "id": 1}},
    {"required": {"type": "User"}},
    {"requireable": {"type": "User"}},
    {"key": "gold"},
    {"key": None},
    {"caller": {"application_id": 1}},
    {"created": {"from": "2020-01-01T00:00:00Z"}},
    {"created": {"until": "2030-01-01T00:00:00Z"}},
    {"key": "gold", "search": {"term": "o"}},
    {"key": "gold", "search": {"term": "o", "attributes": ["key"]}},
    {"sort": {"order": "asc"}},
    {"sort": {"by": "created_at"}},
]


@pytest.mark.usefixtures("filled")
async def test_a_cursor_belongs_to_its_list(client: Client, application: AppRecord, own: SessionRecord) -> None:
    """A cursor is invalid with any other filter, order or viewer."""
    for listed in ({}, *OTHER_LISTS):
        data = (await post_index(client, application.token, page={"size": 1}, **listed)).data
        page = {"size": 1, "after": data["page"]["next"]}
        for other in ({}, *OTHER_LISTS):
            response = await post_index(client, application.token, page=page, **other)
            assert (response.code_and_body == INVALID_CURSOR) == (other != listed), (listed, other)
        assert (await post_index(client, own.token, page=page, **listed)).code_and_body == INVALID_CURSOR


async def test_cursors_survive_restarts(
    client: Client, config: Config, application: AppRecord, filled: int, aiohttp_client: AppClient
) -> None:
    """A cursor that one worker made is valid for another one, and after a restart."""
    first = await post_index(client, application.token, page={"size": 100})
    other = await aiohttp_client(create_app(config))
    page = {"size": 100, "after": first.data["page"]["next"]}
    assert ids_on(first) + ids_on(await post_index(other, application.token, page=page)) == [*range(filled, 0, -1)]


@pytest.mark.usefixtures("filled")
async def test_another_database_has_another_key(client: Client, records: Records, application: AppRecord) -> None:
    """A worker whose database is replaced goes over to the new database's key when the first cursor does not open."""
    listed = await post_index(client, application.token, page={"size": 100})
    await records.connection.execute("DELETE FROM cursor_keys")
    await records.connection.execute("INSERT INTO cursor_keys DEFAULT VALUES")
    page = {"size": 100, "after": listed.data["page"]["next"]}
    assert (await post_index(client, application.token, page=page)).status == "action-successful"
    wrong = {"size": 100, "after": "A" * 40}
    assert (await post_index(client, application.token, page=wrong)).code_and_body == INVALID_CURSOR
    assert (await post_index(client, application.token, page=page)).code_and_body == INVALID_CURSOR


@pytest.mark.parametrize(("rows", "exact"), [(9_999, True), (10_000, True), (10_001, False)])
@pytest.mark.parametrize("filters", [{}, {"key": "many"}, {"required": {"type": "User"}}], ids=str)
async def test_counts(
    client: Client, records: Records, application: AppRecord, rows: int, exact: bool, filters: dict[str, Any]
) -> None:
    """A count is exact up to 10,000; beyond, it says that there are at least that many."""
    await records.connection.execute(COPIES, rows)
    data = (await post_index(client, application.token, page={"size": 1}, count=True, **filters)).data
    told = {name: value for name, value in data.items() if name.startswith("count")}
    assert told == ({"count": rows} if exact else {"count": 10_000, "count_is_at_least": True})


async def test_a_count_that_would_read_too_much(client: Client, records: Records, application: AppRecord) -> None:
    """Where counting would read too many rows, the count says that it may be more."""
    await records.connection.execute(COPIES, 1)
    await records.connection.execute(COPIES.replace("'many'", "'more'"), 20_000)
    filters = {"required": {"type": "User"}, "search": {"term": "many"}}
    data = (await post_index(client, application.token, page={"size": 1}, count=True, **filters)).data
    assert (data["count"], data["count_is_at_least"]) == (1, True)


async def test_a_client_sees_its_own_requirements(
    client: Client, records: Records, own: SessionRecord, filled: int
) -> None:
    """To a session whose user is only a client, requirements of others are on no page and in no count."""
    await records.connection.execute(COPIES, filled)
    rows = await stored(records.connection)
    others: list[dict[str, Any]] = [
        {},
        {"key": "gold"},
        {"caller": {"user_id": MAX_ID}},
        {"required": {"type": "User"}},
    ]
    for sort, filters in itertools.product(SORTS, others):
        listed = [data async for data in pages(client, own.token, page={"size": 3}, count=True, sort=sort, **filters)]
        ids = expected_ids(rows, {"sort": sort, **filters}, lambda row: row["user_id"] == own.user_id)
        assert [record["id"] for data in listed for record in data["results"]] == ids
        assert {data["count"] for data in listed} == {len(ids)}
        assert bool(ids) == ("caller" not in filters)


async def test_others_see_all(
    config: Config, records: Records, own: SessionRecord, filled: int, aiohttp_client: AppClient
) -> None:
    """Employees and liaisons see all requirements, and so do clients if requirements.clients_see is all."""
    await records.deploy()
    open_to_all = replace(config, requirements=replace(config.requirements, clients_see="all"))
    first, second = await aiohttp_client(create_app(config)), await aiohttp_client(create_app(open_to_all))
    for roles in (("employee",), ("liaison", "client")):
        session = await records.session(*roles)
        assert len(await ids_of(first, session.token)) == filled
    assert len(await ids_of(second, own.token)) == filled
    assert 0 < len(await ids_of(first, own.token)) < filled


async def test_odd_rows(client: Client, records: Records, application: AppRecord) -> None:
    """Rows with any time and any id are listed once, in every order, whatever form the database writes times in."""
    database = await records.connection.fetchval("SELECT current_database()")
    for setting in ("datestyle = 'German, DMY'", "timezone = 'Europe/Amsterdam'"):
        await records.connection.execute(f"ALTER DATABASE {database} SET {setting}")
    far = ["4713-01-01Z BC", "0044-03-15Z BC", "10000-01-01Z", "294276-12-31Z"]
    moments = ["-infinity", "infinity", "infinity", "2026-05-01Z", "1900-01-01 12:00:01.5Z", *far, *far]
    numbers = [-(2**63), 0, -5, MAX_ID, 7, *range(10, 18)]
    await records.connection.execute(ODD_ROWS, numbers, moments)
    rows = await stored(records.connection)
    for sort, size in itertools.product(SORTS, (1, 2)):
        for filters in ({}, {"created": {"from": "2000-01-01T00:00:00Z"}}, {"requireable": {"type": "User", "id": 1}}):
            ids = await ids_of(client, application.token, page={"size": size}, sort=sort, **filters)
            assert ids == expected_ids(rows, {"sort": sort, **filters}), (sort, filters)


async def test_times_are_exact(client: Client, records: Records, application: AppRecord) -> None:
    """A range of time is half open, to the microsecond, in any zone, with any number of digits."""
    await records.connection.execute(COPIES, 1)
    at = "2026-05-01T10:00:00.000001"
    await records.connection.execute("UPDATE requirements SET created_at = $1::text::timestamptz", f"{at}Z")
    for created, found in (
        ({"from": f"{at}Z", "until": "2026-05-01T10:00:00.000002Z"}, 1),
        ({"from": "2026-05-01T10:00:00.000002Z"}, 0),
        ({"until": f"{at}Z"}, 0),
        ({"from": "2026-05-01t12:00:00.000001000+02:00"}, 1),
        ({"from": f"{at}0001Z"}, 0),
        ({"until": f"{at}1Z"}, 1),
        ({"until": "2026-05-01T05:59:60-04:00"}, 0),
        ({"until": "2026-05-01T05:59:60.1-04:00"}, 1),
        ({"from": "0001-01-01T00:00:00Z", "until": "9999-12-31T23:59:59.999999Z"}, 1),
        ({"from": None, "until": "0001-01-01T00:00:00Z"}, 0),
        ({"from": "2026-05-02T00:00:00Z", "until": "2026-05-01T00:00:00Z"}, 0),
        ({}, 1),
    ):
        assert len(await ids_of(client, application.token, created=created)) == found, created


@pytest.mark.parametrize(
    ("sent", "errors"),
    [
        ({"required": {}}, {"required.type": "is required"}),
        ({"requireable": {"type": "", "id": "x"}}, {"requireable.type": "is required"}),
        ({"key": "k", "search": {}}, {"search.term": "is required"}),
        ({"key": "k", "search": {"term": ""}}, {"search.term": "is required"}),
        ({"key": "k", "search": {"term": ""}, "page": 5}, {"search.term": "is required"}),
    ],
    ids=str,
)
async def test_missing_params(
    client: Client, application: AppRecord, sent: dict[str, Any], errors: dict[str, str]
) -> None:
    """A part that a filter needs is named as missing, by its path."""
    response = await post_index(client, application.token, **sent)
    assert response.code_and_body == refusal(MissingParam, *errors.items())


@pytest.mark.parametrize(
    ("sent", "errors"),
    [
        ({"required": "x"}, {"required": "must be a hash of type and id"}),
        ({"required": {"type": "x", "id": 0}}, {"required.type": TYPES, "required.id": ID}),
        ({"requireable": {"type": 5, "id": 1.0}}, {"requireable.type": "must be a string", "requireable.id": ID}),
        ({"key": 5}, {"key": "must be a string"}),
        ({"key": "x" * 256}, {"key": "must be at most 255 characters long"}),
        ({"caller": {}}, {"caller": "must have either application_id or user_id"}),
        ({"caller": {"application_id": 1, "user_id": 1}}, {"caller": "must have either application_id or user_id"}),
        ({"caller": {"user_id": True}}, {"caller.user_id": ID}),
        ({"caller": []}, {"caller": "must be a hash of application_id and user_id"}),
        ({"created": "2026"}, {"created": "must be a hash of from and until"}),
        *[
            ({"created": {"from": text}}, {"created.from": TIME})
            for text in ("2026-05-01", "2026-05-01T10:00:00", "2026-05-01 24:00:00Z", "2026-02-30T10:00:00Z", "now", "",
                         "2026-05-01T10:00:00,5Z", "20260501T100000Z", "2026-05-01T10:00Z", "0000-01-01T00:00:00Z",
                         "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59.9999999Z", "2026-05-01T10:00:00+24:00",
                         "2026-05-01T10:00:00Z\n", "٢٠٢٦-05-01T10:00:00Z")
        ],
        ({"created": {"until": 5}}, {"created.until": "must be a string"}),
        ({"search": {"term": "x"}}, {"search": "needs required, requireable or key beside it"}),
        ({"key": "k", "search": "x"}, {"search": "must be a hash of term and attributes"}),
        ({"key": "k", "search": {"term": "\0"}}, {"search.term": "must not contain the NUL character"}),
        *[
            ({"key": "k", "search": {"term": "x", "attributes": value}}, {"search.attributes": ATTRIBUTES})
            for value in ([], ["id"], "key", [["key"]], {"key": 1}, ["key", None])
        ],
        ({"page": {"size": 0}}, {"page.size": "must be an integer from 1 to 200"}),
        ({"page": {"size": 201, "number": 101}},
         {"page.size": "must be an integer from 1 to 200", "page.number": "must be an integer from 1 to 100"}),
        ({"page": {"after": "x", "number": 1}}, {"page": "must not have both after and number"}),
        ({"page": {"after": 5}}, {"page.after": "must be a string"}),
        ({"page": {"after": "x" * 513}}, {"page.after": "must be at most 512 characters long"}),
        ({"sort": {"by": "key", "order": "up"}},
         {"sort.by": "must be one of created_at, id, updated_at", "sort.order": "must be one of asc, desc"}),
        ({"count": "true"}, {"count": "must be true or false"}),
        ({"count": 1, "page": [], "sort": 5, "session_view": "x"},
         {"page": "must be a hash of size and after and number", "sort": "must be a hash of by and order",
          "count": "must be true or false", "session_view": "must be one of default, detailed"}),
    ],
    ids=str,
)  # fmt: skip
async def test_invalid_params(
    client: Client, application: AppRecord, sent: dict[str, Any], errors: dict[str, str]
) -> None:
    """Every invalid param is named by its path. Nothing is converted."""
    response = await post_index(client, application.token, **sent)
    assert response.code_and_body == refusal(InvalidParam, *errors.items())


@pytest.mark.usefixtures("filled")
async def test_absent_and_unknown_params(client: Client, application: AppRecord) -> None:
    """Null stands for an absent param, except for key; unknown params and parts are ignored."""
    names = ("required", "requireable", "caller", "created", "search", "page", "sort", "count")
    everything = await post_index(client, application.token, page={"size": 200})
    for sent in (
        dict.fromkeys(names),
        {"page": {"size": None, "after": None, "number": None}, "sort": {"by": None, "order": None}, "more": [1]},
        {"created": {"from": None, "until": None, "to": 5}, "filters": [{"key": "x"}]},
    ):
        response = await post_index(client, application.token, **sent)
        assert ids_on(response) == ids_on(everything)[:50], sent


async def test_the_token_is_judged_before_params(client: Client) -> None:
    """A caller who is not known learns nothing about params."""
    assert (await post_index(client, "unknown", page=5)).code_and_body == refusal(InvalidToken)
    assert (await post_index(client, "unknown", page={"after": "x"})).code_and_body == refusal(InvalidToken)


async def test_a_list_sees_what_was_acknowledged(
    client: Client, config: Config, application: AppRecord, user_id: int, aiohttp_client: AppClient
) -> None:
    """A requirement is on the first page of another worker as soon as its create has been answered."""
    other = await aiohttp_client(create_app(config))
    for _ in range(20):
        created = await post_create(client, params(application.token, user_id))
        listed = await post_index(other, application.token, page={"size": 1})
        assert listed.data["results"] == [created.data]


async def test_a_list_without_the_database(
    config: Config, records: Records, application: AppRecord, proxy: Proxy, aiohttp_client: AppClient
) -> None:
    """A list while the database is away is an application-crash that can be retried."""
    await records.deploy()
    client = await aiohttp_client(create_app(replace(config, database=replace(config.database, url=proxy.url))))
    await proxy.cut()
    answer = await post_index(client, application.token)
    assert (answer.status, answer.outcome, answer.headers["Retry-After"]) == ("application-crash", None, "1")


def _optional(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=values)


_ends = st.fixed_dictionaries(
    {"type": st.sampled_from(["User", "Service", "Route"])}, optional={"id": st.integers(1, 6)}
)
_moments = st.integers(0, 55).map(lambda hours: f"2026-05-0{1 + hours // 24}T{hours % 24:02}:00:00+00:00")
_searches = st.fixed_dictionaries(
    {"term": st.sampled_from(["GOLD", "o", "_", "%", "über_1", "0", "\\"])},
    optional={"attributes": st.sampled_from([["key"], ["value"], ["value", "key"]])},
)
_filters = _optional(
    required=_ends,
    requireable=_ends,
    key=st.sampled_from(["gold", "Gold", "", "50%", None, "absent"]),
    created=_optional(**{"from": _moments, "until": _moments}),
    search=_searches,
)
_callers = st.sampled_from([None, None, "application_id", "user_id"])


@pytest.mark.usefixtures("filled")
async def test_any_filters(client: Client, records: Records, application: AppRecord, own: SessionRecord) -> None:
    """Whatever the filters, the order, the size and the caller, the pages are what a plain filter of all rows gives."""
    await records.connection.execute(FILL, 200, application.id + 1, own.user_id, own.user_id + 5)
    rows = await stored(records.connection)
    loop = asyncio.get_running_loop()

    async def compare(sent: dict[str, Any], size: int, *, as_client: bool) -> None:
        token = own.token if as_client else application.token
        ids = expected_ids(rows, sent, lambda row: not as_client or row["user_id"] == own.user_id)
        listed = [data async for data in pages(client, token, page={"size": size}, count=True, **sent)]
        assert [record["id"] for data in listed for record in data["results"]] == ids
        assert {data["count"] for data in listed} == {len(ids)}

    @settings(max_examples=150, database=None, derandomize=True)
    @given(_filters, st.sampled_from(SORTS), _callers, st.sampled_from([1, 2, 5, 30]), st.booleans())
    def check(filters: dict[str, Any], sort: dict[str, str], caller: str | None, size: int, as_client: bool) -> None:
        sent = {**filters, "sort": sort}
        if caller is not None:
            sent["caller"] = {caller: application.id if caller == "application_id" else own.user_id}
        if {"required", "requireable", "key"}.isdisjoint(filters):
            sent.pop("search", None)
            size = max(size, 5)
        asyncio.run_coroutine_threadsafe(compare(sent, size, as_client=as_client), loop).result()

    await asyncio.to_thread(check)
