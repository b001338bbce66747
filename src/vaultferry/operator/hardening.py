"""Keeps other processes of the same user from reading this one's memory."""

import ctypes
import resource

_PR_SET_DUMPABLE = 4


def harden() -> None:
    """Allow no core dump, and hide memory and environment under /proc.

    The environment may hold the root key, and stays readable there even after it was
    taken out of `os.environ`.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    prctl = getattr(libc, "prctl", None)
    if prctl is not None:  # Linux only
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
