"""Know when the control plane is ready, or why it will not be."""

import http.client
import ssl
import time

from tests.controlplane.errors import ControlPlaneError, last_lines
from tests.controlplane.files import Files
from tests.controlplane.processes import Processes
from tests.controlplane.progress import Progress

TIMEOUT_SECONDS = 120.0
PAUSE_SECONDS = 0.05
PATHS = (
    "/readyz",
    "/api/v1/namespaces/default",
    "/api/v1/namespaces/kube-system",
    "/api/v1/namespaces/default/serviceaccounts/default",
)


class Readiness:
    """Asks the API server as the administrator."""

    def __init__(self, files: Files, processes: Processes, progress: Progress) -> None:
        self._port = files.port
        self._processes = processes
        self._progress = progress
        self._tls = ssl.create_default_context(cafile=str(files.path("ca.crt")))
        self._tls.load_cert_chain(files.path("admin.crt"), files.path("admin.key"))

    def wait_for_all(self) -> None:
        """Wait until objects can be made in the default namespace."""
        for path in PATHS:
            self.wait(path)

    def wait(self, path: str) -> None:
        """Wait until the API server answers a path, or a server ends."""
        self._progress.detail = f"waiting for {path}"
        expected = set(self._processes.pids())
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not self._answers(path):
            for name in expected - set(self._processes.pids()):
                raise self._failed(name, "ended")
            if time.monotonic() > deadline:
                raise self._failed("kube-apiserver", f"is not ready: {path}")
            time.sleep(PAUSE_SECONDS)

    def _answers(self, path: str) -> bool:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._port, timeout=5, context=self._tls
        )
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.client.OK
        except ssl.SSLCertVerificationError as error:
            # No waiting helps here.
            raise ControlPlaneError(f"the API server is not ours: {error}") from error
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _failed(self, name: str, what: str) -> ControlPlaneError:
        end = last_lines(self._processes.log(name))
        return ControlPlaneError(f"{name} {what}; its last words:\n{end}")
