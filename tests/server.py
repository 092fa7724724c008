"""A web server that serves a dataset as PhysioNet does, and misbehaves where a test tells it to."""

from __future__ import annotations

import hashlib
import os
import re
import select
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

PROJECT = "tiny/1.0.0"


class Server(ThreadingHTTPServer):
    """Serves `files` (path -> bytes) under /PROJECT/; `faults` (path -> list) are taken one a request.

    A fault is a status to answer with, an address to send to, or one of: "drop" (half of it, then the connection
    ends), "reset" (no answer), "no range" (the whole file whatever is asked for), "wrong range", "wrong" (other bytes),
    "silent" (no answer until the client has had enough), "no length" (chunks, without a length), "drip" (byte after
    byte), "HTTP/1.0" (the connection's end is the file's), "HTTP/1.0 drop" (the same half-way), "endless" (chunks
    without an end).
    """

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = dict(files)
        self.faults: dict[str, list[object]] = {}
        self.asked: list[tuple[str, str]] = []
        """Path and Range header of each request."""
        self.files["SHA256SUMS.txt"] = self.index()
        self.over = threading.Event()

    def server_close(self) -> None:
        """Close it, with the silent connections: a thread that waits for one must not outlive its test."""
        self.over.set()
        super().server_close()

    def index(self, **replaced: str) -> bytes:
        lines = [
            f"{replaced.get(path) or hashlib.sha256(content).hexdigest()} {path}\n"
            for path, content in self.files.items()
            if path != "SHA256SUMS.txt"
        ]
        return "".join(lines).encode()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def count(self) -> Counter[str]:
        """Requests of each path."""
        return Counter(path for path, _ in self.asked)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(self.path).removeprefix(f"/{PROJECT}/")
        self.server.asked.append((path, self.headers.get("Range", "")))
        waiting = self.server.faults.get(path, [])
        fault = waiting.pop(0) if waiting else None
        if isinstance(fault, int) or path not in self.server.files:
            self._answer(fault if isinstance(fault, int) else 404, b"")
            return
        if isinstance(fault, str) and fault.startswith("http:"):
            self.send_response(302)
            self.send_header("Location", fault)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = self.server.files[path]
        if fault == "wrong":
            content = bytes(len(content))
        first, status = 0, 200
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if match and fault != "no range":
            first, status = int(match[1]), 206
            if first >= len(content):
                self._answer(416, b"", f"bytes */{len(content)}")
                return
        shown = f"bytes {0 if fault == 'wrong range' else first}-{len(content) - 1}/{len(content)}"
        self._body(fault, status, content[first:], shown)

    def _body(self, fault: object, status: int, body: bytes, content_range: str) -> None:
        match fault:
            case "reset":
                self.close_connection = True
            case "silent":
                while not self.server.over.is_set() and not select.select([self.connection], [], [], 0.05)[0]:
                    pass  # readable once the client hangs up
                self.close_connection = True
            case "drop":
                self._head(status, len(body), content_range)
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
            case "drip":
                self._head(status, len(body), content_range)
                for k in range(len(body)):
                    self.wfile.write(body[k : k + 1])
                    time.sleep(0.001)
            case "no length":
                self._head(status, None, content_range)
                for k in range(0, len(body), 100):
                    piece = body[k : k + 100]
                    self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                self.wfile.write(b"0\r\n\r\n")
            case "HTTP/1.0" | "HTTP/1.0 drop":
                self.protocol_version = "HTTP/1.0"
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body if fault == "HTTP/1.0" else body[: len(body) // 2])
                self.close_connection = True
            case "endless":
                self._head(status, None, content_range)
                with suppress(OSError):  # until the client has had enough
                    while True:
                        self.wfile.write(b"1000\r\n" + bytes(0x1000) + b"\r\n")
            case _:
                self._answer(status, body, content_range)

    def _head(self, status: int, length: int | None, content_range: str = "") -> None:
        self.send_response(status)
        if status in (206, 416):
            self.send_header("Content-Range", content_range)
        if status == 503:
            self.send_header("Retry-After", "0")
        self.send_header(
            *(("Transfer-Encoding", "chunked") if length is None else ("Content-Length", str(length)))
        )
        self.end_headers()

    def _answer(self, status: int, body: bytes, content_range: str = "") -> None:
        self._head(status, len(body), content_range)
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Server]:
    """Serve files from a thread for as long as the block lasts."""
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1"  # a proxy outside has no business here
    server = Server(files)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
