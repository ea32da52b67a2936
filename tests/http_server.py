"""A server on this machine that can break off, refuse, and forget how to resume."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dubbench.fetch import Remote

CONTENT = bytes(range(256)) * 4000
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()


class Server:
    """A server on this machine that can break off, refuse, and forget how to resume."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"/f.bin": CONTENT}
        self.break_after: list[int] = []
        self.status: list[int] = []
        self.ranges = True
        self.length = "told"  # or "chunked", or "none": then the end of the connection is the end of the file
        self.asked: list[tuple[str, str | None]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                server.asked.append((self.path, wanted))
                if server.status:
                    return self.send_error(server.status.pop(0))
                body = server.files.get(self.path.split("?")[0])
                if body is None:
                    return self.send_error(404)
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.ranges else 0
                if wanted and server.ranges and start >= len(body):
                    return self.send_error(416)
                self.send_response(206 if start else 200)
                if server.length == "told":
                    self.send_header("Content-Length", str(len(body) - start))
                elif server.length == "chunked":
                    self.send_header("Transfer-Encoding", "chunked")
                self.send_header("Connection", "close")
                self.end_headers()
                part = body[start:]
                broken = bool(server.break_after)
                if broken:
                    part = part[: server.break_after.pop(0)]
                if server.length == "chunked":
                    part = b"%x\r\n%s\r\n" % (len(part), part) + (b"" if broken else b"0\r\n\r\n")
                self.wfile.write(part)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def remote(self, digest: str = MD5, size: int = len(CONTENT)) -> Remote:
        return Remote("f.bin", f"{self.address}/f.bin", size, digest)


@contextmanager
def serving() -> Iterator[Server]:
    """A `Server`, closed at the end."""
    server = Server()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
