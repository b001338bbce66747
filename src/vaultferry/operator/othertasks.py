"""The tasks that kopf leaves alone when it ends."""

import asyncio
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import kopf

_KOPF = str(Path(kopf.__file__).parent)

Task = asyncio.Task[Any]


class OtherTasks(Collection[Task]):
    """The tasks that run what is not kopf's own code.

    kopf takes each task that began after it for its own, and cancels it. The server of
    health and metrics begins one per connection, and its client would wait for ever.
    """

    def __contains__(self, task: object) -> bool:
        """Tell whether a task runs what is not kopf's own code."""
        if not isinstance(task, asyncio.Task):
            return False
        code = getattr(task.get_coro(), "cr_code", None)
        return code is None or not code.co_filename.startswith(_KOPF)

    def __iter__(self) -> Iterator[Task]:
        return (task for task in asyncio.all_tasks() if task in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
