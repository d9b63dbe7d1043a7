"""Who answers for a service, told as DNS."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.gateway.names import AAAA, IN, SRV, A, Place, answer

WEB = [Place("127.0.0.1", 20_001), Place("::1", 20_002)]


def query(name: str, kind: int, *, flags: int = 0x0100, group: int = IN) -> bytes:
    """What a resolver sends."""
    labels = b"".join(struct.pack("B", len(it)) + it.encode() for it in name.split(".")) + b"\0"
    return struct.pack(">HHHHHH", 7, flags, 1, 0, 0, 1) + labels + struct.pack(">HH", kind, group) + b"extra"


def told(message: bytes) -> tuple[int, int, bytes]:
    """The code of an answer, how many records it has, and everything after the head."""
    reply = answer(message, lambda name: WEB if name == "web" else [Place("127.0.0.1", 1)])
    assert reply is not None
    assert reply[:2] == message[:2]
    _, flags, _, records, _, _ = struct.unpack_from(">HHHHHH", reply)
    return flags & 0xF, records, reply[12:]


def test_each_instance_is_a_record_with_a_name_that_is_its_address() -> None:
    """The name in a record of kind SRV is asked for next, as A or AAAA."""
    code, count, records = told(query("WEB.service", SRV))
    assert (code, count) == (0, 2)
    assert struct.pack(">H", 20_001) + b"\x087f000001\x01h\0" in records
    assert told(query("7f000001.h", A))[:2] == (0, 1)
    assert told(query("7f000001.h", A))[2].endswith(bytes([127, 0, 0, 1]))
    assert told(query("7f000001.h", AAAA))[:2] == (0, 0)
    assert told(query(f"{'0' * 31}1.h", AAAA))[:2] == (0, 1)


def test_nexus_itself_has_a_name_that_no_service_can_take() -> None:
    """A service called page is asked for in another zone than Nexus's own page."""
    assert struct.pack(">H", 1) + b"\x087f000001" in told(query("page.nexus", SRV))[2]


@pytest.mark.parametrize("name", ["example.com", "service", "zz.h", "7f0001.h"])
def test_other_names_do_not_exist(name: str) -> None:
    """Nothing is asked of anybody else."""
    assert told(query(name, SRV))[:2] == (3, 0)


def test_what_is_no_query_is_not_answered() -> None:
    """Answers, other classes and pieces of queries."""
    whole = query("web.service", SRV)
    for message in (b"", whole[:20], query("web.service", SRV, flags=0x8100), query("web.service", SRV, group=3)):
        assert answer(message, lambda _: WEB) is None


def test_as_many_as_fit_are_told() -> None:
    """A resolver takes 1,232 bytes."""
    reply = answer(query("web.service", SRV), lambda _: WEB * 50)
    assert reply is not None
    assert len(reply) <= 1_232


@given(st.binary(max_size=80))
def test_no_datagram_is_too_strange(message: bytes) -> None:
    """Whatever is sent is answered or ignored."""
    answer(message, lambda _: WEB)
    answer(struct.pack(">HHHHHH", 7, 0, 1, 0, 0, 0) + message, lambda _: WEB)
