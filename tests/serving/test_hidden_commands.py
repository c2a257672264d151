"""The hidden commands by which the supervisor starts its children."""

import pytest

from service.cli.serve import console, worker


@pytest.mark.parametrize("option", ["--if-ready", "--must-become-ready"])
def test_a_supervisor_of_an_older_release_can_start_new_workers(option: str) -> None:
    """The hidden commands take the arguments of older supervisors, which start new code on SIGHUP."""
    assert worker.make_context("worker", ["3", "4", "5", "0b", option]).params == {
        "listener": 3,
        "lifeline": 4,
        "ready": 5,
        "name": "0b",
        "must_become_ready": True,
    }
    assert console.make_context("console", ["3", "4", "5"]).params == {"listener": 3, "lifeline": 4, "ready": 5}
