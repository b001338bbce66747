"""A service that takes every request and remembers the signatures."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_BUCKETS = (
    b'<?xml version="1.0"?><ListAllMyBucketsResult><Owner><ID>1</ID></Owner><Buckets>'
    b"<Bucket><Name>some-bucket</Name><CreationDate>2026-01-01T00:00:00.000Z"
    b"</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>"
)


@dataclass
class Service:
    """What was asked of the service."""

    address: str
    authorizations: list[str] = field(default_factory=list)


@contextmanager
def service() -> Iterator[Service]:
    """Serve a list of buckets to S3, and a refusal to whoever logs in to B2."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.authorizations.append(self.headers.get("Authorization", ""))
            is_b2 = "/b2api/" in self.path
            refusal = {"code": "bad_auth_token", "message": "no", "status": 401}
            body = json.dumps(refusal).encode() if is_b2 else _BUCKETS
            self.send_response(401 if is_b2 else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name is the library's

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        seen = Service(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield seen
        server.shutdown()
        thread.join()
