"""An address of a tenant's own, which keeps all that it is sent."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

# With its dots: three letters alone are in many a certificate.
JWT = re.compile(r"eyJ[\w-]*\.[\w-]+\.[\w-]{20,}")


@dataclass
class Listener:
    """What came, with headers and bodies."""

    url: str
    got: list[str] = field(default_factory=list)

    @property
    def tokens(self) -> list[str]:
        """The tokens that came, in the form of a JWT."""
        return [found for text in self.got for found in JWT.findall(text)]


@contextmanager
def listening() -> Iterator[Listener]:
    """Listen on loopback meanwhile, and refuse everything."""

    class Handler(BaseHTTPRequestHandler):
        def _refuse(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            body = self.rfile.read(length).decode(errors="replace")
            listener.got.append(f"{self.requestline}\n{self.headers}\n{body}")
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = _refuse  # noqa: N815 - these names are the library's

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        listener = Listener(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown()
            thread.join()
