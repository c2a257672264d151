"""Logins and their timeouts, with a test clock."""

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
    """A clock that the test sets."""

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
    """Logins with the password `right`."""
    return Logins("right", clock)


def fail(logins: Logins, times: int) -> None:
    """Try a wrong password `times` times, each with another name."""
    for number in range(times):
        with pytest.raises(WrongPasswordError):
            logins.open(f"name {number}", "wrong")


def test_each_login_is_its_own(logins: Logins) -> None:
    """Two logins with one name have different ids and CSRF tokens."""
    first, second = logins.open("Ada", "right"), logins.open("Ada", "right")
    found = [logins.find(key, used=True) for key in (first, second)]
    assert [login and login.name for login in found] == ["Ada", "Ada"]
    assert first != second
    assert len({login.csrf for login in found if login}) == 2


@pytest.mark.parametrize("password", ["", "Right", "right ", "\ud800", "r\u00efght"])
def test_any_other_password_is_wrong(logins: Logins, password: str) -> None:
    """Any other password is wrong, whatever its characters."""
    with pytest.raises(WrongPasswordError):
        logins.open("Ada", password)


def test_an_unused_login_expires(logins: Logins, clock: Clock) -> None:
    """A login expires after the idle timeout and stays expired."""
    key = logins.open("Ada", "right")
    clock.now += IDLE_SECONDS - 1
    assert logins.find(key, used=False)
    clock.now += 1
    assert logins.find(key, used=True) is None
    clock.now -= 1
    assert logins.find(key, used=True) is None


def test_use_extends_a_login(logins: Logins, clock: Clock) -> None:
    """Each use restarts the idle timeout; a look-up without `used` does not."""
    key = logins.open("Ada", "right")
    clock.now += IDLE_SECONDS - 1
    assert logins.find(key, used=True)
    clock.now += IDLE_SECONDS - 1
    assert logins.find(key, used=False)
    clock.now += 1
    assert logins.find(key, used=False) is None


def test_a_login_has_a_maximum_age(logins: Logins, clock: Clock) -> None:
    """A login expires after `MAX_SECONDS` even if it is in use."""
    key = logins.open("Ada", "right")
    while clock.now < 1000 + MAX_SECONDS - 60:
        clock.now += 60
        assert logins.find(key, used=True)
    clock.now += 60
    assert logins.find(key, used=True) is None


def test_a_closed_login_is_gone(logins: Logins) -> None:
    """A closed login is gone, and closing it again does nothing."""
    key = logins.open("Ada", "right")
    logins.close(key)
    logins.close(key)
    assert logins.find(key, used=True) is None


def test_guessing_is_throttled_across_names(logins: Logins, clock: Clock) -> None:
    """After too many wrong passwords with any names, even the right one is refused for the window."""
    fail(logins, MAX_FAILURES)
    with pytest.raises(ThrottledError) as throttled:
        logins.open("Ada", "right")
    assert throttled.value.seconds == FAILURE_WINDOW_SECONDS
    clock.now += FAILURE_WINDOW_SECONDS
    assert logins.open("Ada", "right")


def test_slow_guessing_is_throttled_too(logins: Logins, clock: Clock) -> None:
    """The limit applies to every window of `FAILURE_WINDOW_SECONDS`."""
    for _ in range(MAX_FAILURES):
        fail(logins, 1)
        clock.now += 1
    with pytest.raises(ThrottledError):
        logins.open("Ada", "right")
    clock.now += FAILURE_WINDOW_SECONDS - MAX_FAILURES
    fail(logins, 1)
    with pytest.raises(ThrottledError):
        logins.open("Ada", "right")


def test_a_few_wrong_passwords_are_allowed(logins: Logins) -> None:
    """Below the limit, the right password is accepted."""
    fail(logins, MAX_FAILURES - 1)
    assert logins.open("Ada", "right")


def test_a_message_is_shown_once(logins: Logins) -> None:
    """A message can be popped once, and only by its id."""
    login = logins.find(logins.open("Ada", "right"), used=True)
    assert login
    message_id = login.add_message(FlashMessage("done", "token"))
    assert login.pop_message("other") is None
    assert login.pop_message(message_id) == FlashMessage("done", "token")
    assert login.pop_message(message_id) is None


def test_the_number_of_messages_is_limited(logins: Logins) -> None:
    """The oldest message is dropped above the limit."""
    login = logins.find(logins.open("Ada", "right"), used=True)
    assert login
    message_ids = [login.add_message(FlashMessage(str(number))) for number in range(MAX_MESSAGES + 1)]
    assert [login.pop_message(message_id) is None for message_id in message_ids] == [True] + [False] * MAX_MESSAGES


def test_the_repr_hides_secrets(logins: Logins) -> None:
    """The repr of a login or a message does not show tokens."""
    login = logins.find(logins.open("Ada", "right"), used=True)
    assert login
    login.add_message(FlashMessage("done", "a token"))
    assert login.csrf not in repr(login)
    assert "a token" not in repr(login) + repr(FlashMessage("done", "a token"))
