"""Why an e-mail was not accepted."""

from collections.abc import Sequence


class MandrillError(Exception):
    """The e-mail was not accepted for every recipient. The message is a few words of ours that say why."""

    def __init__(self, reason: str, accepted: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.accepted = accepted


class MandrillUnreachable(MandrillError):
    """No answer came: the connection was refused, or failed."""


class MandrillTimeout(MandrillError):
    """No whole answer came in time."""


class MandrillRefused(MandrillError):
    """It answered with another code than 200; redirects are not followed."""


class MandrillNonsense(MandrillError):
    """It answered with what is no list of recipients."""


class RecipientsRefused(MandrillError):
    """It accepted the e-mail for some recipients at the most."""
