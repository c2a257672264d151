"""What the process in charge is told by signals."""

import asyncio
import os
import signal


class SupervisorSignals:
    """`stop` asks for the end, `hurry` not to wait for gateways on the way there, `restart` for fresh workers."""

    def __init__(self) -> None:
        """Needs a running event loop; made as early as possible, since what starts on a terminal may lose it."""
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()
        self.restart = asyncio.Event()
        # Who starts it by nohup wants it to outlive the terminal.
        self._on_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN

    def listen(self) -> None:
        """Take orders from now on."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop.set)
        loop.add_signal_handler(signal.SIGINT, self._interrupted)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)

    def _interrupted(self) -> None:
        if self._on_terminal:
            # A person waits, no gateway does.
            self.hurry.set()
        self.stop.set()

    def _hung_up(self) -> None:
        if self._on_terminal and not _has_terminal():
            self.hurry.set()
            self.stop.set()
        else:
            self.restart.set()


def _has_terminal() -> bool:
    """Whether this process has a controlling terminal: one that was closed is none any more."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
