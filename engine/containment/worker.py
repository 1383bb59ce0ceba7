"""The main of a worker process: one statement at a time, on a read-only copy, under a limit of memory.

Nothing here needs to be believed by the server: it kills the process when it does not end in time. The functions of the
lake are called back over the socket; a worker neither searches nor writes.
"""

import inspect
import os
import pickle
import queue
import resource
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from engine import duck
from engine.containment import frames
from engine.containment.frames import Channel, TooLarge
from engine.containment.orders import Order, Start
from engine.storage.buckets import EXTENSIONS

TOKEN = "contained"
PAGE = resource.getpagesize()
NICE = 5  # more than the server has: a third of its weight
LARGE = 256 << 20  # bytes of memory with which a worker is not used again


class Worker:
    """The process. `serve` ends when the server is gone."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[frames.Frame] = queue.SimpleQueue()
        self._calling = threading.Lock()
        self._lock = threading.Lock()
        self._run, self._stopped = 0, False
        self._cursor: duck.Cursor | None = None
        self._root: duck.Cursor | None = None
        self._key: object = None
        self._kept: list[object] = []
        self._base = 0  # bytes of address space before the first statement

    def serve(self) -> None:
        """Take orders, one after the other."""
        first = self._channel.receive()
        if first is None:
            return
        self._start: Start = pickle.loads(first.body)
        threading.Thread(target=self._listen, name="listener", daemon=True).start()
        self._channel.send(frames.READY)
        while True:
            order = self._orders.get()
            try:
                self._answer(order)
            except TooLarge as error:
                self._fail("TooLarge", f"{error} does not fit")
            except BaseException as error:  # whatever it is belongs to this one statement, and the server tells
                self._fail(type(error).__name__, str(error))

    def _listen(self) -> None:
        while (frame := self._channel.receive()) is not None:
            if frame.kind == frames.RUN:
                self._orders.put(pickle.loads(frame.body))
            elif frame.kind == frames.REPLY:
                self._replies.put(frame)
            elif frame.kind == frames.STOP:
                self._stop(int(frame.head["run"]))
        os._exit(0)  # the server is gone; the main thread may be deep in the engine

    def _stop(self, run: int) -> None:
        with self._lock:
            if run == self._run and self._cursor is not None:
                self._stopped = True
                self._cursor.interrupt()

    def _fail(self, kind: str, text: str) -> None:
        self._channel.send(frames.FAILED, {"kind": kind, "text": text[:100_000], **self._state()})

    def _state(self) -> dict[str, bool]:
        """Whether so much memory is held, or cut into pieces, that another statement would not have its share."""
        size, resident = _memory()
        return {"spent": size > self._base + self._start.memory // 2 or resident > LARGE}

    def _answer(self, order: Order) -> None:
        cursor = self._instance(order).cursor()
        with self._lock:
            self._run, self._cursor, self._stopped = order.run, cursor, False
        try:
            self._prepare(cursor, order)
            reader = duck.reader(cursor, order.sql, order.params)
            self._channel.send(frames.SCHEMA, body=frames.packed((), reader.schema))
            for batch in reader:
                for part in frames.slices(batch):
                    self._channel.send(frames.BATCH, body=frames.packed([part], reader.schema))
            if self._stopped:
                raise RuntimeError("the statement was stopped")
        finally:
            with self._lock:
                self._cursor = None
            self._tidy(order)
            cursor.close()
        self._channel.send(frames.DONE, self._state())

    def _prepare(self, cursor: duck.Cursor, order: Order) -> None:
        for name, body in order.tables.items():
            cursor.register("given", frames.unpacked(memoryview(body)))
            cursor.execute(f"create table {duck.qualified(*name)} as from given")
            cursor.unregister("given")
        for temporary, body in order.temporary.items():
            cursor.register(temporary, frames.unpacked(memoryview(body)))
        cursor.execute(f"set variable lakehouse_call = '{TOKEN}'")
        cursor.execute(f"set search_path = {duck.literal(order.setting.search_path)}")

    def _tidy(self, order: Order) -> None:
        if order.tables and self._root is not None:
            for name in order.tables:
                self._root.execute(f"drop table if exists {duck.qualified(*name)}")

    def _instance(self, order: Order) -> duck.Cursor:
        """The engine with the copy and the names of the order: the one of the former statement, or a new one."""
        key = (order.copy, order.setting.ddl)
        if self._root is None or self._key != key:
            if self._root is not None:
                self._root.close()
                self._root, self._kept = None, []
            root = self._open(order)
            self._root, self._key = root, key
            if not self._base:
                frames.packed(duck.reader(root, "select 1"), pa.schema([("1", pa.int32())]))  # all is loaded then
                self._base = _memory()[0]
                _limit(self._base + self._start.memory)
                _step_back()
        return self._root

    def _open(self, order: Order) -> duck.Cursor:
        start = self._start
        memory = f"{start.memory * 3 // 4 // 1024}KiB"
        root = duck.connect(start.threads, memory, start.spill, start.temp_limit, EXTENSIONS)
        source, data = duck.literal(f"ducklake:{order.copy}"), duck.literal(f"{order.data}/")
        root.execute(f'attach {source} as "primary" (read_only, data_path {data}, override_data_path true)')
        for name in ("lake", "fn"):
            root.execute(f"attach ':memory:' as {name}")
        for name, parameters, returns in start.surface.kernels:
            stub = self._stub(name, len(parameters) + 1)
            self._kept.append(stub)
            duck.register_kernel(root, name, stub, [*parameters, "VARCHAR"], returns)
        for statement in (*start.surface.macros, *order.setting.ddl):
            root.execute(statement)
        duck.seal(root, start.folders)
        return root

    def _stub(self, name: str, count: int) -> Callable[..., pa.Array]:
        names = [f"column{position}" for position in range(count)]

        def called(*columns: pa.ChunkedArray) -> pa.Array:
            return self._call(name, pa.table(list(columns), names=names))

        parameters = [inspect.Parameter(one, inspect.Parameter.POSITIONAL_ONLY) for one in names]
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return called

    def _call(self, name: str, columns: pa.Table) -> pa.Array:
        """Let the server run a kernel. Raises RuntimeError with what went wrong there."""
        with self._calling:
            self._channel.send(frames.CALL, {"name": name}, frames.packed(columns.to_batches(), columns.schema))
            reply = self._replies.get()
        if "error" in reply.head:
            raise RuntimeError(str(reply.head["error"]))
        answer = frames.unpacked(reply.body).column(0).combine_chunks()
        return answer


def _memory() -> tuple[int, int]:
    """The bytes of address space and of memory that this process has; zeros where that cannot be known."""
    if sys.platform != "linux":
        return 0, 0
    size, resident = Path("/proc/self/statm").read_text().split()[:2]
    return int(size) * PAGE, int(resident) * PAGE


def _limit(size: int) -> None:
    """Let the process have `size` bytes of address space, and leave no core behind."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _step_back() -> None:
    """Let the server go first where both want a processor, from the first statement on: starting is not delayed."""
    nice = os.nice(NICE)
    if sys.platform == "linux":
        for thread in Path("/proc/self/task").iterdir():  # there it is said to each thread that has been started
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, int(thread.name), nice)
        with suppress(OSError):  # a session of its own weighs as much as that of the server, whatever is in it
            Path("/proc/self/autogroup").write_text(str(nice))


def main() -> None:
    """Serve the server at the other end of the inherited socket, whose number is the argument."""
    Worker(Channel(socket.socket(fileno=int(sys.argv[1])))).serve()


if __name__ == "__main__":
    main()
