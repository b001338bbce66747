"""Runs moto, says at which port, and ends with its standard input; run by `ssm`.

It runs with the packages of requirements/judges.lock, and knows nothing of ours.
"""

import os
import sys

from moto.server import ThreadedMotoServer


def main() -> None:
    """Serve until whoever started it is gone."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    print(server.get_host_and_port()[1], flush=True)
    sys.stdin.read()
    # Its threads would hold the process for seconds.
    os._exit(0)


if __name__ == "__main__":
    main()
