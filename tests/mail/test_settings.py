"""The settings under `mandrill`: what fits, what e-mails need, and that the key is a secret."""

from pathlib import Path

import pytest

from service.config import ConfigError, load_config

KEY = "md-aVeryGoodKeyOf22Chars_0"
NAMED = "REQUIREMENTS__MANDRILL__"
WHOLE = {"API_KEY": KEY, "RECIPIENTS": "ann@example.com, bob@example.com", "SENDER": "us@example.com"}


def environ(**settings: str) -> dict[str, str]:
    """The environment with these settings of the section."""
    return {f"{NAMED}{name}": value for name, value in settings.items()}


def test_defaults_send_nothing() -> None:
    """As shipped there are no e-mails, and the limits are the contract's."""
    mandrill = load_config(None, {}).mandrill
    assert (mandrill.api_key, mandrill.recipients, mandrill.sender, mandrill.enabled) == (None, (), None, False)
    assert (mandrill.timeout_seconds, mandrill.max_attempts) == (5, 12)


def test_the_environment_sets_all_of_it(tmp_path: Path) -> None:
    """Recipients are separated by commas, and the key may come from a file."""
    (tmp_path / "key").write_text(f"{KEY}\n")
    settings = environ(**WHOLE) | {f"{NAMED}API_KEY_FILE": str(tmp_path / "key")}
    del settings[f"{NAMED}API_KEY"]
    mandrill = load_config(None, settings).mandrill
    assert (mandrill.api_key, mandrill.enabled) == (KEY, True)
    assert mandrill.recipients == ("ann@example.com", "bob@example.com")


@pytest.mark.parametrize("name", ["API_KEY", "RECIPIENTS"])
def test_one_alone_sends_nothing(name: str) -> None:
    """Recipients may stand in a file that is used where no key is, and the other way round."""
    assert not load_config(None, environ(**{name: WHOLE[name]})).mandrill.enabled


FAULTS = [
    ({"SENDER": ""}, "mandrill.sender: is required when api_key and recipients are set"),
    ({"SENDER": "us"}, "mandrill.sender: must be an e-mail address"),
    ({"SENDER": "us@example.com\r\nBcc: x@example.com"}, "mandrill.sender: must be an e-mail address"),
    ({"SENDER": "Us <us@example.com>"}, "mandrill.sender: must be an e-mail address"),
    ({"RECIPIENTS": "ann@example.com;bob@example.com"}, "mandrill.recipients: must be an e-mail address"),
    ({"RECIPIENTS": "a@example.com,A@example.com"}, "mandrill.recipients: must name each address once"),
    ({"BASE_URL": "mandrillapp.com"}, "mandrill.base_url: must be an address such as https://mandrillapp.com/api/1.0"),
    ({"BASE_URL": "https://x/?key=1"}, "mandrill.base_url: must be an address such as https://mandrillapp.com/api/1.0"),
    ({"TIMEOUT_SECONDS": "0"}, "mandrill.timeout_seconds: must be greater than 0 and less than or equal to 86400"),
    ({"MAX_ATTEMPTS": "0"}, "mandrill.max_attempts: must be greater than or equal to 1"),
    ({"CONNECTIONS": "0"}, "mandrill.connections: must be greater than or equal to 1"),
]


@pytest.mark.parametrize(("changes", "message"), FAULTS)
def test_a_fault_is_told_plainly(changes: dict[str, str], message: str) -> None:
    """What every e-mail would fail by stops the start with one line, which never holds the key."""
    with pytest.raises(ConfigError) as caught:
        load_config(None, environ(**WHOLE | changes))
    assert str(caught.value) == message


def test_the_key_is_a_secret() -> None:
    """It is named among the secrets, and no representation shows it."""
    config = load_config(None, environ(**WHOLE))
    assert KEY in config.secrets
    assert KEY not in repr(config)
