"""An API server, which a fake vault asks whose a token is, as the real vaults do."""

import json
import ssl
import urllib.request

from tests.vaults.vault import Kept

_SECONDS = 10


class Reviewer(Kept):
    """How the API server is asked."""

    server: str
    certificate: str
    """The PEM of its authority."""

    token: str
    """Of an account that may review tokens."""

    def subject(self, token: str, audience: str) -> str | None:
        """Return whose a token for an audience is; None: nobody's."""
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]},
        }
        request = urllib.request.Request(  # noqa: S310 - it is our own https address
            f"{self.server}/apis/authentication.k8s.io/v1/tokenreviews",
            json.dumps(review).encode(),
            {
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
            },
        )
        trust = ssl.create_default_context(cadata=self.certificate)
        with urllib.request.urlopen(  # noqa: S310 - it is our own https address
            request, timeout=_SECONDS, context=trust
        ) as answer:
            status = json.load(answer)["status"]
        if not status.get("authenticated") or audience not in status["audiences"]:
            return None
        name: str = status["user"]["username"]
        return name
