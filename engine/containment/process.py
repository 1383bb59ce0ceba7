"""A worker process as the server sees it: started, spoken to, killed."""

import os
import pickle
import socket
import subprocess
import sys
import threading
import time

import pyarrow as pa

from engine.containment import frames
from engine.containment.frames import Channel, Frame
from engine.containment.orders import Order, Start

KEPT = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "LANG", "LC_ALL")  # of the environment: nothing secret
ALLOCATORS = {"MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system"}  # the others reserve gigabytes
WORKER = f"{__package__}.worker"


class Process:
    """One worker. It is used by one statement at a time."""

    def __init__(self, start: Start) -> None:
        """Start it. It ends by itself when this process is gone."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._popen = subprocess.Popen(
                [sys.executable, "-P", "-m", WORKER, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,  # an interrupt from the keyboard is for the server
            )
        self._channel = Channel(ours)
        self._killing = threading.Lock()
        self.runs = 0
        self.idle_since = time.monotonic()
        self._channel.send(frames.START, body=pickle.dumps(start))

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._popen.pid

    def order(self, order: Order) -> None:
        """Send a statement. Raises OSError when the worker is gone, TooLarge when the statement is."""
        self._channel.send(frames.RUN, body=pickle.dumps(order))

    def reply(self, head: dict[str, object], body: bytes | pa.Buffer = b"") -> None:
        """Answer a call. Raises OSError when the worker is gone, TooLarge when the answer is."""
        self._channel.send(frames.REPLY, head, body)

    def receive(self) -> Frame | None:
        """Wait for the next message; None when the worker is gone."""
        return self._channel.receive()

    def receive_within(self, seconds: float) -> Frame | None:
        """Wait so long for the next message to begin; None when it does not, or the worker is gone."""
        return self._channel.receive() if self._channel.wait(seconds) else None

    def stop(self, run: int) -> None:
        """Ask to interrupt a statement, without waiting."""
        self._channel.try_send(frames.STOP, {"run": run})

    def kill(self) -> None:
        """End the process now; whoever waits for it sees its end."""
        with self._killing:
            if self._popen.returncode is None:
                self._popen.kill()
                self._channel.end()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._popen.poll() is None

    def reap(self) -> int:
        """Kill it when it still runs, and free everything; returns its exit code, negative for a signal."""
        gone = self._popen.poll() is not None
        if not gone:
            self.kill()
        code = self._popen.wait()
        self._channel.close()
        return code


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)  # noqa: PTH100  # '' is the working folder
    return {**kept, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **ALLOCATORS}
