"""The mailbox of a real supervisor: threads post, one loop waits."""

from __future__ import annotations

import asyncio
import itertools
import threading

from events.catalog import RunAbandoned
from events.envelope import Draft
from nexus.platforms.clock import AnchoredClock
from nexus.platforms.mailbox import AsyncMailbox


def draft(run: int) -> Draft:
    """An observation that can be told apart."""
    return Draft(RunAbandoned(instance="web.1", run=run))


async def test_threads_wake_the_loop_and_nothing_is_lost() -> None:
    """Four threads post as fast as they can; everything comes, each thread's in its order."""
    clock = AnchoredClock()
    mailbox = AsyncMailbox(clock)

    def post(thread: int) -> None:
        for number in range(500):
            mailbox.post(draft(thread * 1000 + number))

    threads = [threading.Thread(target=post, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    runs: list[int] = []
    while len(runs) < 2000:
        left = await mailbox.wait(clock.now() + 10_000_000)
        assert left, "a post did not wake the loop"
        runs += [it.event.run for it in left if isinstance(it.event, RunAbandoned)]
    for thread in threads:
        thread.join()
    assert sorted(runs) == sorted(thread * 1000 + number for thread in range(4) for number in range(500))
    assert all(runs[a] < runs[b] for a, b in pairs(runs))


def pairs(runs: list[int]) -> list[tuple[int, int]]:
    """Places of neighbours that one thread has posted."""
    places: dict[int, list[int]] = {}
    for place, run in enumerate(runs):
        places.setdefault(run // 1000, []).append(place)
    return [pair for of_thread in places.values() for pair in itertools.pairwise(of_thread)]


async def test_a_post_from_the_loop_ends_an_endless_wait() -> None:
    """Without a deadline the wait ends with the first observation."""
    mailbox = AsyncMailbox(AnchoredClock())
    asyncio.get_running_loop().call_soon(mailbox.post, draft(1))
    assert await mailbox.wait(None) == [draft(1)]


def test_a_post_before_and_after_the_loop_is_harmless() -> None:
    """Sensors may be early, and late."""
    mailbox = AsyncMailbox(AnchoredClock())
    mailbox.post(draft(1))
    assert asyncio.run(mailbox.wait(None)) == [draft(1)]
    posting = threading.Thread(target=mailbox.post, args=(draft(2),))
    posting.start()
    posting.join()


async def test_a_late_wake_up_is_no_observation() -> None:
    """What woke us may have been taken already: the wait goes on until there is something, or its moment comes."""
    clock = AnchoredClock()
    mailbox = AsyncMailbox(clock)
    mailbox.post(draft(1))
    assert await mailbox.wait(None) == [draft(1)]
    until = clock.now() + 20_000
    posting = threading.Thread(target=mailbox.post, args=(draft(2),))
    posting.start()
    posting.join()
    assert await mailbox.wait(None) == [draft(2)]
    assert await mailbox.wait(until) == []
    assert clock.now() >= until
