"""Settings of the section `mandrill`."""

from pathlib import Path

import pytest

from service.config import ConfigError, load_config

KEY = "md-aVeryGoodKeyOf22Chars_0"
PREFIX = "REQUIREMENTS__MANDRILL__"
ENABLED = {"API_KEY": KEY, "RECIPIENTS": "ann@example.com, bob@example.com", "SENDER": "us@example.com"}


def environ(**settings: str) -> dict[str, str]:
    """The environment variables of these settings."""
    return {f"{PREFIX}{name}": value for name, value in settings.items()}


def test_defaults_send_nothing() -> None:
    """By default no e-mails are sent, and the limits are those of the contract."""
    mandrill = load_config(None, {}).mandrill
    assert (mandrill.api_key, mandrill.recipients, mandrill.sender, mandrill.enabled) == (None, (), None, False)
    assert (mandrill.timeout_seconds, mandrill.max_attempts) == (5, 12)


def test_settings_from_the_environment(tmp_path: Path) -> None:
    """Recipients are separated by commas, and the API key may come from a file."""
    (tmp_path / "key").write_text(f"{KEY}\n")
    settings = environ(**ENABLED) | {f"{PREFIX}API_KEY_FILE": str(tmp_path / "key")}
    del settings[f"{PREFIX}API_KEY"]
    mandrill = load_config(None, settings).mandrill
    assert (mandrill.api_key, mandrill.enabled) == (KEY, True)
    assert mandrill.recipients == ("ann@example.com", "bob@example.com")


@pytest.mark.parametrize("name", ["API_KEY", "RECIPIENTS"])
def test_key_or_recipients_alone_send_nothing(name: str) -> None:
    """Recipients without an API key, or an API key without recipients, are valid and send nothing."""
    assert not load_config(None, environ(**{name: ENABLED[name]})).mandrill.enabled


INVALID = [
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


@pytest.mark.parametrize(("changes", "message"), INVALID)
def test_invalid_settings(changes: dict[str, str], message: str) -> None:
    """A setting with which every e-mail would fail raises an error of one line, without the API key."""
    with pytest.raises(ConfigError) as caught:
        load_config(None, environ(**ENABLED | changes))
    places = {message, *(f"{message} (set by REQUIREMENTS__MANDRILL__{changed})" for changed in changes)}
    assert str(caught.value) in places


def test_the_key_is_a_secret() -> None:
    """The API key is among the secrets and not in the repr."""
    config = load_config(None, environ(**ENABLED))
    assert KEY in config.secrets
    assert KEY not in repr(config)
