"""A server on this machine that can break off, refuse, and forget how to resume."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dubbench.runtime.download import Remote

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
        self.version: dict[str, str] = {"ETag": '"{}"'}  # {} becomes the content's digest; may be empty
        self.heeds = True  # what If-Range says
        self.from_zero = False  # gives the whole file for a range, and calls it one
        self.claims: str | None = None  # its Content-Length, if not the true one
        self.moved: dict[str, str] = {}
        self.asked: list[tuple[str, str | None]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                server.asked.append((self.path, wanted))
                if server.status:
                    return self.send_error(server.status.pop(0))
                if self.path in server.moved:
                    self.send_response(302)
                    self.send_header("Location", server.moved[self.path])
                    self.send_header("Content-Length", "0")
                    return self.end_headers()
                body = server.files.get(self.path.split("?")[0])
                if body is None:
                    return self.send_error(404)
                version = {key: text.format(hashlib.md5(body).hexdigest()) for key, text in server.version.items()}
                if server.heeds and self.headers.get("If-Range") not in (None, *version.values()):
                    wanted = None
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.ranges else 0
                if wanted and server.ranges and start >= len(body):
                    return self.send_error(416)
                self.send_response(206 if start else 200)
                for key, text in version.items():
                    self.send_header(key, text)
                if start:
                    start = 0 if server.from_zero else start
                    self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
                if server.length == "told":
                    self.send_header("Content-Length", server.claims or str(len(body) - start))
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
