"""Logins and their timeouts, with a test clock."""

import pytest

from service.admin.logins import (
    FAILURE_WINDOW_SECONDS,
    IDLE_SECONDS,
    MAX_FAILURES,
    MAX_FAILURES_KEPT,
    MAX_FAILURES_OF_ADDRESS,
    MAX_MESSAGES,
    MAX_SECONDS,
    FlashMessage,
    Logins,
    ThrottledError,
    WrongPasswordError,
)

HERE = "10.0.0.1"


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


def fail(logins: Logins, times: int, name: str = "Ada", address: str = HERE) -> None:
    """Try a wrong password `times` times."""
    for _ in range(times):
        with pytest.raises(WrongPasswordError):
            logins.open(name, "wrong", address)


def guess_with_many_names(logins: Logins) -> None:
    """Try as many wrong passwords from one address as it may, each with another name."""
    for number in range(MAX_FAILURES_OF_ADDRESS):
        fail(logins, 1, f"name {number}")


def test_each_login_is_its_own(logins: Logins) -> None:
    """Two logins with one name have different ids and CSRF tokens."""
    first, second = logins.open("Ada", "right", HERE), logins.open("Ada", "right", HERE)
    found = [logins.find(key, used=True) for key in (first, second)]
    assert [login and login.name for login in found] == ["Ada", "Ada"]
    assert first != second
    assert len({login.csrf for login in found if login}) == 2


@pytest.mark.parametrize("password", ["", "Right", "right ", "\ud800", "r\u00efght"])
def test_any_other_password_is_wrong(logins: Logins, password: str) -> None:
    """Any other password is wrong, whatever its characters."""
    with pytest.raises(WrongPasswordError):
        logins.open("Ada", password, HERE)


def test_an_unused_login_expires(logins: Logins, clock: Clock) -> None:
    """A login expires after the idle timeout and stays expired."""
    key = logins.open("Ada", "right", HERE)
    clock.now += IDLE_SECONDS - 1
    assert logins.find(key, used=False)
    clock.now += 1
    assert logins.find(key, used=True) is None
    clock.now -= 1
    assert logins.find(key, used=True) is None


def test_use_extends_a_login(logins: Logins, clock: Clock) -> None:
    """Each use restarts the idle timeout; a look-up without `used` does not."""
    key = logins.open("Ada", "right", HERE)
    clock.now += IDLE_SECONDS - 1
    assert logins.find(key, used=True)
    clock.now += IDLE_SECONDS - 1
    assert logins.find(key, used=False)
    clock.now += 1
    assert logins.find(key, used=False) is None


def test_a_login_has_a_maximum_age(logins: Logins, clock: Clock) -> None:
    """A login expires after `MAX_SECONDS` even if it is in use."""
    key = logins.open("Ada", "right", HERE)
    while clock.now < 1000 + MAX_SECONDS - 60:
        clock.now += 60
        assert logins.find(key, used=True)
    clock.now += 60
    assert logins.find(key, used=True) is None


def test_a_closed_login_is_gone(logins: Logins) -> None:
    """A closed login is gone, and closing it again does nothing."""
    key = logins.open("Ada", "right", HERE)
    logins.close(key)
    logins.close(key)
    assert logins.find(key, used=True) is None


def test_guessing_is_throttled(logins: Logins, clock: Clock) -> None:
    """After too many wrong passwords, even the right one is refused for the window, in any case of the name."""
    fail(logins, MAX_FAILURES)
    for name in ("Ada", "ADA"):
        with pytest.raises(ThrottledError) as throttled:
            logins.open(name, "right", HERE)
        assert throttled.value.seconds == FAILURE_WINDOW_SECONDS
    clock.now += FAILURE_WINDOW_SECONDS
    assert logins.open("Ada", "right", HERE)


@pytest.mark.parametrize(("name", "address"), [("Grace", HERE), ("Ada", "10.0.0.2"), ("Ada", "fd00::1")])
def test_nobody_locks_out_another(logins: Logins, name: str, address: str) -> None:
    """Wrong passwords count for their own name and address: another name or address logs in."""
    fail(logins, MAX_FAILURES)
    assert logins.open(name, "right", address)


def test_changing_the_name_does_not_help_guessing(logins: Logins) -> None:
    """An address has a limit too, however many names it tries. Other addresses are not affected."""
    guess_with_many_names(logins)
    with pytest.raises(ThrottledError):
        logins.open("new name", "right", HERE)
    assert logins.open("new name", "right", "10.0.0.2")


def test_who_has_logged_in_is_not_locked_out_by_other_names(logins: Logins) -> None:
    """The limit of an address does not count for a name that has logged in from there; its own limit does."""
    logins.open("Ada", "right", HERE)
    guess_with_many_names(logins)
    assert logins.open("Ada", "right", HERE)
    fail(logins, MAX_FAILURES)
    with pytest.raises(ThrottledError):
        logins.open("Ada", "right", HERE)


def test_a_machine_has_all_addresses_of_its_ipv6_network(logins: Logins) -> None:
    """Another address of the same /64 is the same machine; one of another /64 is not."""
    fail(logins, MAX_FAILURES, address="fd00::1")
    with pytest.raises(ThrottledError):
        logins.open("Ada", "right", "fd00::2:0:0:1")
    assert logins.open("Ada", "right", "fd00:0:0:1::1")


def test_the_memory_for_failures_is_limited(logins: Logins, clock: Clock) -> None:
    """Failures from any number of addresses are kept up to a limit, and forgotten after the window."""
    for number in range(MAX_FAILURES_KEPT + 10):
        fail(logins, 1, address=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(logins._failures) == MAX_FAILURES_KEPT  # noqa: SLF001 - cannot be seen from outside
    clock.now += FAILURE_WINDOW_SECONDS
    logins.open("Ada", "right", HERE)
    assert len(logins._failures) == 0  # noqa: SLF001


def test_slow_guessing_is_throttled_too(logins: Logins, clock: Clock) -> None:
    """The limit applies to every window of `FAILURE_WINDOW_SECONDS`."""
    for _ in range(MAX_FAILURES):
        fail(logins, 1)
        clock.now += 1
    with pytest.raises(ThrottledError):
        logins.open("Ada", "right", HERE)
    clock.now += FAILURE_WINDOW_SECONDS - MAX_FAILURES
    fail(logins, 1)
    with pytest.raises(ThrottledError):
        logins.open("Ada", "right", HERE)


def test_a_few_wrong_passwords_are_allowed(logins: Logins) -> None:
    """Below the limit, the right password is accepted."""
    fail(logins, MAX_FAILURES - 1)
    assert logins.open("Ada", "right", HERE)


def test_a_message_is_shown_once(logins: Logins) -> None:
    """A message can be popped once, and only by its id."""
    login = logins.find(logins.open("Ada", "right", HERE), used=True)
    assert login
    message_id = login.add_message(FlashMessage("done", "token"))
    assert login.pop_message("other") is None
    assert login.pop_message(message_id) == FlashMessage("done", "token")
    assert login.pop_message(message_id) is None


def test_the_number_of_messages_is_limited(logins: Logins) -> None:
    """The oldest message is dropped above the limit."""
    login = logins.find(logins.open("Ada", "right", HERE), used=True)
    assert login
    message_ids = [login.add_message(FlashMessage(str(number))) for number in range(MAX_MESSAGES + 1)]
    assert [login.pop_message(message_id) is None for message_id in message_ids] == [True] + [False] * MAX_MESSAGES


def test_the_repr_hides_secrets(logins: Logins) -> None:
    """The repr of a login or a message does not show tokens."""
    login = logins.find(logins.open("Ada", "right", HERE), used=True)
    assert login
    login.add_message(FlashMessage("done", "a token"))
    assert login.csrf not in repr(login)
    assert "a token" not in repr(login) + repr(FlashMessage("done", "a token"))
