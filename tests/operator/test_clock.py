import time

from vaultferry.operator import clock


def test_the_clock_counts_also_while_the_machine_sleeps() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)

    now = clock.seconds()

    assert before <= now <= time.clock_gettime(time.CLOCK_BOOTTIME)
