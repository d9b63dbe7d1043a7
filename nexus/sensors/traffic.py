"""Takes what the gateway tells of the requests that it was asked."""

from __future__ import annotations

from typing import Literal

import msgspec

from events.catalog import TrafficObserved


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was asked in a while, as it comes over the control channel."""

    verb: Literal["observe"]
    traffic: TrafficObserved


def traffic_of(payload: bytes) -> TrafficObserved | None:
    """What the gateway tells; None for any other request."""
    try:
        return msgspec.json.decode(payload, type=Told).traffic
    except msgspec.DecodeError:
        return None
