"""A model endpoint of the tests: the standard library's server with switches for everything that goes wrong."""

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from engine.models.hashed import HashEmbedder

DIMENSION = 16


class Fake(ThreadingHTTPServer):
    """Answers /v1/embeddings, /v1/chat/completions, /v1/rerank, /api/embed and /api/chat.

    `plan`: what the next requests get instead, in order. `says`: what a chat answers to a prompt.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan: list[str] = []
        self.seen: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.embedder = HashEmbedder(DIMENSION)
        self.dimension = DIMENSION
        self.says: Callable[[str], str] = lambda prompt: f"{len(prompt)} characters were asked"

    @property
    def prompts(self) -> list[str]:
        """The prompts of the chats that were asked for."""
        return [body["messages"][0]["content"] for body in self.seen if "messages" in body]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Fake

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.seen.append(body)
        self.server.keys.append(self.headers.get("authorization"))
        what = self.server.plan.pop(0) if self.server.plan else "ok"
        if what == "slow":
            time.sleep(1)
        if what.isdigit():
            self._send(int(what), b'{"error": {"message": "sk-secret is wrong"}}')
        elif what == "hang":
            time.sleep(3)
            with suppress(OSError):  # who asked has gone
                self._send(200, b"{}")
        elif what == "garbage":
            self._send(200, b"<html>not json")
        elif what == "list":
            self._send(200, b"[1, 2]")
        elif what == "nested":
            self._send(200, b'{"a":' * 100_000)
        elif what == "trickle":
            self._trickle()
        elif what == "headers":
            self._trickle_headers()
        elif "documents" in body:
            self._send(200, json.dumps(self._reranked(body, what)).encode())
        elif "messages" in body:
            self._send(200, json.dumps(self._chatted(body, what)).encode(), packed=what == "gzip")
        else:
            self._send(200, json.dumps(self._answer(body, what)).encode())

    def _answer(self, body: dict[str, Any], what: str) -> dict[str, Any]:
        rows = self.server.embedder.embed(body["input"]).tolist()
        rows = [row[: self.server.dimension] for row in rows]
        if what == "nan":
            rows[0][0] = float("nan")
        if what == "zero":
            rows[0] = [0.0] * len(rows[0])
        if what == "few":
            rows = rows[:-1]
        if what == "ragged":
            rows[0] = rows[0][:-1]
        if self.path == "/api/embed":
            return {"embeddings": rows, "prompt_eval_count": 7}
        data = [{"index": at, "embedding": row} for at, row in enumerate(rows)]
        return {"data": data[::-1], "usage": {"total_tokens": 3 * len(rows)}}  # the order is that of the index

    def _reranked(self, body: dict[str, Any], what: str) -> dict[str, Any]:
        """Longer texts are better; `what` spoils the first result."""
        texts = body["documents"]
        order = sorted(range(len(texts)), key=lambda at: -len(texts[at]))[: body["top_n"]]
        results: list[Any] = [{"index": at, "relevance_score": len(texts[at]) / 100} for at in order]
        spoilt: dict[str, Any] = {
            "beyond": {"index": len(texts)},
            "negative": {"index": -1},
            "fraction": {"index": 0.5},
            "twice": {"index": order[-1]},
            "nan": {"relevance_score": float("nan")},
            "word": {"relevance_score": "high"},
            "true": {"relevance_score": True},
        }
        results[0] |= spoilt.get(what, {})
        if what == "few":
            results.pop()
        if what == "many":
            results *= 2
        if what == "odd":
            results[0] = 7
        return {"results": None if what == "none" else results, "usage": {"total_tokens": 5}}

    def _chatted(self, body: dict[str, Any], what: str) -> dict[str, Any]:
        text = self.server.says(body["messages"][0]["content"])
        message = {"role": "assistant", "content": None if what == "refusal" else text}
        if self.path == "/api/chat":
            done = {"done": True, "done_reason": "length" if what == "cut" else "stop"}
            return {"message": message, "prompt_eval_count": 7, "eval_count": 3, **done}
        odd = {"true": True, "huge": 10**30, "negative": -1}
        choice = {"index": 0, "message": message, "finish_reason": "length" if what == "cut" else "stop"}
        return {"choices": [] if what == "none" else [choice], "usage": {"total_tokens": odd.get(what, 10)}}

    def _trickle_headers(self) -> None:
        self.send_response(200)
        self.flush_headers()
        with suppress(OSError):  # who asked has gone
            for at in range(200):
                self.wfile.write(f"x-{at}: a\r\n".encode())
                time.sleep(0.05)

    def _trickle(self) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):  # who asked has gone
            for _ in range(100):
                self.wfile.write(b" ")
                time.sleep(0.05)

    def _send(self, status: int, body: bytes, packed: bool = False) -> None:
        self.send_response(status)
        if packed:
            self.send_header("content-encoding", "gzip")
            body = gzip.compress(body)
        self.send_header("content-type", "application/json")
        if status == 429:
            self.send_header("retry-after", "0.1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        return


@contextmanager
def running() -> Iterator[Fake]:
    fake = Fake()
    thread = threading.Thread(target=fake.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.shutdown()
        thread.join()
        fake.server_close()
