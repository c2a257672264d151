"""Signal handlers of the supervisor and of a worker."""

import asyncio
import os
import signal


class SupervisorSignals:
    """The signals that the supervisor has received, as events.

    `stop`: SIGTERM, SIGINT, or a closed terminal. `fast_stop`: the workers must not drain. `restart`: SIGHUP.
    SIGUSR1 and SIGUSR2 are ignored: other programs reopen their log files on them.
    """

    def __init__(self) -> None:
        """Requires a running event loop. Create it early, because the terminal may close at any time."""
        self.stop = asyncio.Event()
        self.fast_stop = asyncio.Event()
        self.restart = asyncio.Event()
        # nohup ignores SIGHUP: the process must outlive the terminal.
        self._on_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN

    def listen(self) -> None:
        """Install the signal handlers. Child processes inherit which signals are ignored."""
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop.set)
        loop.add_signal_handler(signal.SIGINT, self._on_sigint)
        loop.add_signal_handler(signal.SIGHUP, self._on_sighup)

    def _on_sigint(self) -> None:
        if self._on_terminal:
            # Ctrl-C: a person is waiting, and draining is only useful behind a gateway.
            self.fast_stop.set()
        self.stop.set()

    def _on_sighup(self) -> None:
        if self._on_terminal and not _has_terminal():
            self.fast_stop.set()
            self.stop.set()
        else:
            self.restart.set()


def _has_terminal() -> bool:
    """Whether this process has a controlling terminal that is open."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


class WorkerSignals:
    """The requests to shut down that this worker has received, by signal or by the end of its supervisor."""

    def __init__(self, lifeline: int) -> None:
        """`lifeline` is a file descriptor that reaches end of file when the supervisor exits."""
        self.received = asyncio.Event()
        self.replaced = False  # SIGHUP: other workers keep accepting, so this one stops accepting at once
        self.stopping = False  # SIGTERM: the service stops
        self.fast_stop = False  # SIGINT: as SIGTERM, without draining
        self._lifeline = lifeline

    def listen(self) -> None:
        """Install the handlers."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._on_sighup)
        loop.add_signal_handler(signal.SIGTERM, self._on_sigterm)
        loop.add_signal_handler(signal.SIGINT, self._on_sigint)
        loop.add_reader(self._lifeline, self._on_supervisor_exit)

    def _on_sighup(self) -> None:
        # When the service stops, all workers accept until the end of the drain.
        self.replaced = self.replaced or not self.stopping
        self.received.set()

    def _on_sigterm(self) -> None:
        self.stopping = True
        self.received.set()

    def _on_sigint(self) -> None:
        self.fast_stop = True
        self._on_sigterm()

    def _on_supervisor_exit(self) -> None:
        asyncio.get_running_loop().remove_reader(self._lifeline)
        # Free the port at once, so that the service can be started again.
        self.replaced = True
        self._on_sigterm()
