"""A stand-in for the API server that the command asks: plain HTTP on loopback."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml


@dataclass
class ApiServer:
    """Answers by path; what is not there is 404, what is a number is that code."""

    objects: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and Authorization of each request."""

    sent: list[Any] = field(default_factory=list)
    """The body of each request that has one."""

    port: int = 0

    def kubeconfig(self, path: Path, *contexts: str, current: str = "ours") -> str:
        """Write a kubeconfig with a context of each name, whose token is its name."""
        names = contexts or ("ours",)
        server = {"server": f"http://127.0.0.1:{self.port}"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "cluster", "cluster": server}],
            "users": [{"name": each, "user": {"token": each}} for each in names],
            "contexts": [
                {"name": each, "context": {"cluster": "cluster", "user": each}}
                for each in names
            ],
            "current-context": current,
        }
        path.write_text(yaml.safe_dump(config))
        return str(path)

    def answer(self, path: str) -> tuple[int, Mapping[str, Any]]:
        found = self.objects.get(path, 404)
        if isinstance(found, tuple):
            return found
        return (found, {}) if isinstance(found, int) else (200, found)


@contextmanager
def serving() -> Iterator[ApiServer]:
    """Serve until left."""
    server = ApiServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append((self.path, self.headers["Authorization"]))
            code, body = server.answer(self.path)
            text = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_PATCH(self) -> None:
            length = int(self.headers["Content-Length"])
            server.sent.append(json.loads(self.rfile.read(length)))
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.port = http.server_address[1]
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
