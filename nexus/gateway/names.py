"""Who answers for a service, told as DNS: `web.service.` has an SRV record for each instance that may be asked."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Sequence
from itertools import accumulate, islice

import msgspec

A, AAAA, SRV, IN = 1, 28, 33, 1
SERVICE_ZONE, OWN_ZONE, HOST_ZONE = "service", "nexus", "h"
NO_SUCH_NAME = 3
MESSAGE_BYTES_MAX = 1_232
"""What a resolver accepts in one datagram; more instances than fit, about forty, are not told."""

AUTHORITATIVE = 0x8400


class Place(msgspec.Struct, frozen=True):
    """Where somebody listens; `host` is an address."""

    host: str
    port: int


class Question(msgspec.Struct, frozen=True):
    """What a resolver asks; `tail` is the question as it was sent."""

    id: int
    name: str
    kind: int
    tail: bytes


Lookup = Callable[[str], Sequence[Place]]
"""From the name of a service to those who answer for it, at least one; from no name to Nexus itself."""


def question_of(message: bytes) -> Question | None:
    """The one question of a query, None for whatever else somebody sends."""
    if len(message) < 17:
        return None
    identity, flags, questions = struct.unpack_from(">HHH", message)
    if flags & 0xF800 or questions != 1:
        return None
    labels, place = [], 12
    try:
        while length := message[place]:
            if length > 63:
                return None
            labels.append(message[place + 1 : place + 1 + length].decode("ascii").lower())
            place += 1 + length
        kind, group = struct.unpack_from(">HH", message, place + 1)
    except (IndexError, UnicodeDecodeError, struct.error):
        return None
    return Question(identity, ".".join(labels), kind, message[12 : place + 5]) if group == IN else None


def answer(message: bytes, lookup: Lookup) -> bytes | None:
    """The answer to a query, None where it is none."""
    asked = question_of(message)
    if asked is None:
        return None
    name, _, zone = asked.name.rpartition(".")
    if zone in (SERVICE_ZONE, OWN_ZONE) and name:
        found = lookup(name if zone == SERVICE_ZONE else "") if asked.kind == SRV else []
        records = [_srv(place) for place in found]
        return _reply(asked, records)
    address = _address_of(name) if zone == HOST_ZONE else None
    if address is None:
        return _reply(asked, [], NO_SUCH_NAME)
    kind = A if address.version == 4 else AAAA
    return _reply(asked, [_record(kind, address.packed)] if asked.kind == kind else [])


def _reply(asked: Question, records: Sequence[bytes], code: int = 0) -> bytes:
    sizes = accumulate(map(len, records), initial=12 + len(asked.tail))
    kept = [record for record, size in zip(records, islice(sizes, 1, None), strict=True) if size <= MESSAGE_BYTES_MAX]
    head = struct.pack(">HHHHHH", asked.id, AUTHORITATIVE | code, 1, len(kept), 0, 0)
    return b"".join((head, asked.tail, *kept))


def _srv(place: Place) -> bytes:
    host = ipaddress.ip_address(place.host).packed.hex()
    target = b"".join(struct.pack("B", len(label)) + label.encode() for label in (host, HOST_ZONE)) + b"\0"
    return _record(SRV, struct.pack(">HHH", 0, 1, place.port) + target)


def _record(kind: int, data: bytes) -> bytes:
    """A record about the name that was asked for, which nobody may remember."""
    return struct.pack(">HHHIH", 0xC00C, kind, IN, 0, len(data)) + data


def _address_of(label: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(bytes.fromhex(label))
    except ValueError:
        return None
