"""`python -m tests.simulation.run --seeds N --hours H [--from SEED]`: simulate, and say what it was like."""

from __future__ import annotations

import argparse
import gc
import sys
import time
import traceback
from collections import Counter

import msgspec

from nexus.platforms.simulated_world import Faults
from tests.simulation.simulation import Summary, simulate


def main(arguments: list[str] | None = None) -> int:
    """Run the seeds; 1 when an invariant broke in one of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.run", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="how many worlds")
    parser.add_argument("--hours", type=float, default=10.0, help="hours of faults in each")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--worse", type=float, default=1.0, help="how many times as many faults")
    given = parser.parse_args(arguments)
    began_cpu, began = time.process_time(), time.perf_counter()
    summaries: list[Summary] = []
    failed: dict[str, list[int]] = {}
    for seed in range(given.first, given.first + given.seeds):
        try:
            summaries.append(simulate(seed, given.hours, worse(given.worse)))
        except Exception as error:
            if not failed:
                traceback.print_exc()
            failed.setdefault(f"{type(error).__name__}: {error}"[:300], []).append(seed)
        gc.collect()
    report(summaries, time.perf_counter() - began, time.process_time() - began_cpu)
    for problem, seeds in failed.items():
        print(f"\n{len(seeds)} failed, seed {seeds[0]} first: {problem}")
        print(f"again: --seeds 1 --hours {given.hours:g} --worse {given.worse:g} --from {seeds[0]}")
    return 1 if failed else 0


def worse(times: float) -> Faults:
    """The usual faults, more often: chances grow, times between faults shrink."""
    usual = msgspec.structs.asdict(Faults())
    return Faults(**{
        name: value / times if name.endswith(("_every_seconds", "crash_seconds"))
        else value if name.endswith("_for_seconds") else min(1.0, value * times)
        for name, value in usual.items()
    })  # fmt: skip


def report(summaries: list[Summary], wall_seconds: float, cpu_seconds: float) -> None:
    """Print what happened in the seeds that ended well."""
    hours = sum(it.hours for it in summaries)
    events = sum(it.events for it in summaries)
    lives = sum(it.lives for it in summaries)
    faults: Counter[str] = Counter()
    for summary in summaries:
        faults.update(summary.faults)
    print(
        f"{len(summaries)} seeds, {hours:g} simulated hours, {events} events, {lives} supervisor lives in "
        f"{wall_seconds:.1f} s ({cpu_seconds:.1f} s CPU): {hours / cpu_seconds:.1f} hours and "
        f"{events / cpu_seconds:.0f} events a CPU second"
    )
    for name, count in sorted(faults.items(), key=lambda item: -item[1]):
        print(f"{count:9}  {name}")


if __name__ == "__main__":
    sys.exit(main())
