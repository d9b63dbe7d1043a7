"""What a service may use of the machine, from its table in nexus.toml."""

from __future__ import annotations

from typing import Literal, cast

from events.catalog import Limits, MemoryMax, Priority
from nexus.config import keys
from nexus.config.errors import described
from nexus.config.reader import Reader
from nexus.config.values import bytes_of

PRIORITIES = ("high", "normal", "low")
CPU_MAX = 8191
LIMIT_MAX = 1_000_000_000


def read_limits(reader: Reader) -> Limits:
    """Priority, processors and limits. Raises ConfigurationError."""
    inner = reader.reader("limits", keys.LIMITS) if "limits" in reader else None
    return Limits(
        priority=cast(Priority, reader.choice("priority", "normal", PRIORITIES)),
        cpus=_cpus(reader),
        open_files=_limit(inner, "open_files"),
        processes=_limit(inner, "processes"),
    )


def _limit(inner: Reader | None, key: str) -> int | None:
    return inner.whole(key, 1, 1, LIMIT_MAX) if inner is not None and key in inner else None


def _cpus(reader: Reader) -> tuple[int, ...]:
    value = reader.table.get("cpus", [])
    if not isinstance(value, list) or ("cpus" in reader and not value):
        raise reader.malformed("cpus")
    for place, item in enumerate(value):
        if isinstance(item, bool) or not isinstance(item, int) or not 0 <= item <= CPU_MAX:
            raise reader.malformed("cpus", place, found=described(item))
    return tuple(sorted(set(value)))


def read_memory_max(reader: Reader) -> MemoryMax | None:
    """The memory that it may have. Raises ConfigurationError."""
    if "memory_max" not in reader:
        return None
    value = reader.table["memory_max"]
    if not isinstance(value, dict):
        return MemoryMax(_size(reader, "memory_max"))
    inner = reader.reader("memory_max", keys.MEMORY_MAX)
    then = cast(Literal["restart", "alert"], inner.choice("then", "restart", ("restart", "alert")))
    return MemoryMax(_size(inner, "size"), then)


def _size(reader: Reader, key: str) -> int:
    if key not in reader:
        raise reader.wrong(expected="a size", found="none", next_step=f"Add {keys.MEMORY_MAX[key].example}.")
    size = bytes_of(reader.table[key])
    if size is None:
        raise reader.malformed(key)
    return size
