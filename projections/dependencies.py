"""Which service needs which: the declared graph and its order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter

import msgspec

from events.catalog import Condition, ConfigurationLoaded, Service
from events.envelope import Recorded
from projections.fold import Fold


class Dependencies(msgspec.Struct, frozen=True):
    """`needs` and `needed_by` by service name; `order` has every service after those it needs."""

    needs: dict[str, dict[str, Condition]] = {}
    needed_by: dict[str, tuple[str, ...]] = {}
    order: tuple[str, ...] = ()


fold: Fold[Dependencies] = Fold()


@fold.on(ConfigurationLoaded)
def _loaded(_: Dependencies, __: Recorded, event: ConfigurationLoaded) -> Dependencies:
    needs = {name: service.depends_on for name, service in event.services.items()}
    needed_by: dict[str, tuple[str, ...]] = {}
    for name, wanted in needs.items():
        for needed in wanted:
            needed_by[needed] = (*needed_by.get(needed, ()), name)
    order = TopologicalSorter({name: list(wanted) for name, wanted in needs.items()}).static_order()
    return Dependencies(needs, needed_by, tuple(order))


def with_needs(declared: Mapping[str, Service], names: Iterable[str]) -> set[str]:
    """These services and everything that they need, directly or through others."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name in declared and name not in found:
            found.add(name)
            left.extend(declared[name].depends_on)
    return found
