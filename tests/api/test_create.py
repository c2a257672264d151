"""Creating a requirement, through HTTP."""

from datetime import datetime

from tests.conftest import Client
from tests.factories import CREATE, Records, params


async def test_action_successful_tells_the_record(client: Client, records: Records) -> None:
    """A create answers with the record as it is in the database."""
    application = await records.application()
    user_id, _ = await records.user()

    response = await client.post(CREATE, json=params(application.token, user_id, key="tier", value="gold"))
    body = await response.json()

    assert response.status == 200
    row = await records.connection.fetchrow("SELECT * FROM requirements")
    assert row is not None
    stamp = row["created_at"].isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert body == {
        "status": "action-successful",
        "message": "The requirement is recorded.",
        "data": {
            "id": row["id"],
            "required": {"type": "User", "id": user_id},
            "requireable": {"type": "User", "id": user_id},
            "key": "tier",
            "value": "gold",
            "created_at": stamp,
            "updated_at": stamp,
        },
        "request_id": response.headers["X-Request-ID"],
    }
    assert datetime.fromisoformat(body["data"]["created_at"]) == row["created_at"]
