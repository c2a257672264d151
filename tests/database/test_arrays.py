"""Arrays in PostgreSQL's text form."""

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.database.arrays import array_literal
from service.domain.references import MAX_ID

TEXTS = st.one_of(
    st.sampled_from(["", "NULL", "null", " ", '"', "\\", "{}", "a,b", "\n", "\t", "\u2028", "ü"]),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.none() | TEXTS), numbers=st.lists(st.none() | st.integers(-MAX_ID - 1, MAX_ID)))
async def test_postgresql_reads_what_was_passed(
    connection: asyncpg.Connection, texts: list[str | None], numbers: list[int | None]
) -> None:
    """Any text, integer or null arrives as it was passed."""
    query = "SELECT $1::text::text[], $2::text::bigint[]"
    (row,) = await connection.fetch(query, array_literal(texts), array_literal(numbers))
    assert list(row) == [texts, numbers]
