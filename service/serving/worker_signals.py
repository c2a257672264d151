"""What a worker is told about its end."""

import asyncio
import signal


class WorkerSignals:
    """What this worker was told: by signals, or by the end of its supervisor."""

    def __init__(self, lifeline: int) -> None:
        """`lifeline` is a file descriptor that ends when the supervisor does."""
        self.told = asyncio.Event()
        self.leaving = False  # others serve: leave the socket to them
        self.stopping = False  # the service ends
        self.hurried = False
        self._lifeline = lifeline

    def listen(self) -> None:
        """Be told from now on."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._leave)
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        loop.add_signal_handler(signal.SIGINT, self._hurry)
        loop.add_reader(self._lifeline, self._orphaned)

    def _leave(self) -> None:
        # Of a service that ends, the socket is everyone's until the end.
        self.leaving = self.leaving or not self.stopping
        self.told.set()

    def _stop(self) -> None:
        self.stopping = True
        self.told.set()

    def _hurry(self) -> None:
        self.hurried = True
        self._stop()

    def _orphaned(self) -> None:
        asyncio.get_running_loop().remove_reader(self._lifeline)
        # Who starts the service again finds its port free.
        self.leaving = True
        self._stop()
