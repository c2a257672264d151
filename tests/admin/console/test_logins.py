"""Who is logged in, and for how long: on a clock of the test's own."""

import pytest

from service.admin.logins import (
    FAILURE_WINDOW_SECONDS,
    IDLE_SECONDS,
    MAX_FAILURES,
    MAX_MESSAGES,
    MAX_SECONDS,
    FlashMessage,
    Logins,
    ThrottledError,
    WrongPasswordError,
)


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


@pytest.fixture
def logins(clock: Clock) -> Logins:
    """Logins behind the password `right`."""
    return Logins("right", clock)


def fail(logins: Logins, times: int) -> None:
    """Give a wrong password so many times, each under another name."""
    for number in range(times):
        with pytest.raises(WrongPasswordError):
            logins.open(f"name {number}", "wrong")


def test_each_login_is_its_own(logins: Logins) -> None:
    """Two logins of one name share neither the id nor the token against forgery."""
    first, second = logins.open("Ada", "right"), logins.open("Ada", "right")
    found = [logins.find(key, used=True) for key in (first, second)]
    assert [login and login.name for login in found] == ["Ada", "Ada"]
    assert first != second
    assert len({login.csrf for login in found if login}) == 2


@pytest.mark.parametrize("password", ["", "Right", "right ", "\ud800", "r\u00efght"])
def test_any_other_password_is_wrong(logins: Logins, password: str) -> None:
    """Only the password itself opens, whatever characters are tried."""
    with pytest.raises(WrongPasswordError):
        logins.open("Ada", password)


def test_an_unused_login_ends(logins: Logins, clock: Clock) -> None:
    """A login that is not used for as long as may be is gone, for good."""
    key = logins.open("Ada", "right")
    clock.now += IDLE_SECONDS - 1
    assert logins.find(key, used=False)
    clock.now += 1
    assert logins.find(key, used=True) is None
    clock.now -= 1
    assert logins.find(key, used=True) is None


def test_use_keeps_a_login(logins: Logins, clock: Clock) -> None:
    """Each use starts the time anew; a page that asks by itself is no use."""
    key = logins.open("Ada", "right")
    clock.now += IDLE_SECONDS - 1
    assert logins.find(key, used=True)
    clock.now += IDLE_SECONDS - 1
    assert logins.find(key, used=False)
    clock.now += 1
    assert logins.find(key, used=False) is None


def test_no_login_lasts_for_ever(logins: Logins, clock: Clock) -> None:
    """However much it is used, a login ends."""
    key = logins.open("Ada", "right")
    while clock.now < 1000 + MAX_SECONDS - 60:
        clock.now += 60
        assert logins.find(key, used=True)
    clock.now += 60
    assert logins.find(key, used=True) is None


def test_a_closed_login_is_gone(logins: Logins) -> None:
    """Whoever logs out is out; closing what is not there does nothing."""
    key = logins.open("Ada", "right")
    logins.close(key)
    logins.close(key)
    assert logins.find(key, used=True) is None


def test_guessing_is_throttled_across_names(logins: Logins, clock: Clock) -> None:
    """After so many wrong passwords under any names, not even the right one is looked at for a while."""
    fail(logins, MAX_FAILURES)
    with pytest.raises(ThrottledError) as throttled:
        logins.open("Ada", "right")
    assert throttled.value.seconds == FAILURE_WINDOW_SECONDS
    clock.now += FAILURE_WINDOW_SECONDS
    assert logins.open("Ada", "right")


def test_slow_guessing_is_throttled_too(logins: Logins, clock: Clock) -> None:
    """There are never more than so many wrong passwords within the time, whenever it begins."""
    for _ in range(MAX_FAILURES):
        fail(logins, 1)
        clock.now += 1
    with pytest.raises(ThrottledError):
        logins.open("Ada", "right")
    clock.now += FAILURE_WINDOW_SECONDS - MAX_FAILURES
    fail(logins, 1)
    with pytest.raises(ThrottledError):
        logins.open("Ada", "right")


def test_a_few_mistakes_are_no_matter(logins: Logins) -> None:
    """Below the limit the right password opens."""
    fail(logins, MAX_FAILURES - 1)
    assert logins.open("Ada", "right")


def test_a_note_is_told_once(logins: Logins) -> None:
    """A note is there for the one who asks first, and only under its message_id."""
    login = logins.find(logins.open("Ada", "right"), used=True)
    assert login
    message_id = login.add_message(FlashMessage("done", "token"))
    assert login.pop_message("other") is None
    assert login.pop_message(message_id) == FlashMessage("done", "token")
    assert login.pop_message(message_id) is None


def test_notes_nobody_asks_for_do_not_pile_up(logins: Logins) -> None:
    """The oldest notes go when there are too many."""
    login = logins.find(logins.open("Ada", "right"), used=True)
    assert login
    message_ids = [login.add_message(FlashMessage(str(number))) for number in range(MAX_MESSAGES + 1)]
    assert [login.pop_message(message_id) is None for message_id in message_ids] == [True] + [False] * MAX_MESSAGES


def test_secrets_are_not_in_what_is_logged(logins: Logins) -> None:
    """What a login or a note looks like in a log tells neither its tokens nor the notes' ones."""
    login = logins.find(logins.open("Ada", "right"), used=True)
    assert login
    login.add_message(FlashMessage("done", "a token"))
    assert login.csrf not in repr(login)
    assert "a token" not in repr(login) + repr(FlashMessage("done", "a token"))
