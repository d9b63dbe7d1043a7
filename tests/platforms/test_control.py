"""The channel between the command line and a supervisor, over its real socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from nexus.platforms import control
from nexus.platforms.control import ControlError, NoSupervisorError, Peer, request, serve


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with a runtime directory of its own, whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="nexus") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        yield tmp_path


async def echo(payload: bytes, peer: Peer) -> bytes:
    """The request itself, with the user who sent it."""
    return msgspec.json.encode([payload.decode(), peer.user, peer.uid, peer.pid])


async def count(payload: bytes, _: Peer) -> AsyncIterator[bytes]:
    """As many answers as were asked for."""
    for number in range(int(payload)):
        yield str(number).encode()


async def ask(home: Path, payload: bytes, timeout_seconds: float | None = 10.0) -> list[bytes]:
    """Ask from a thread, as another process would."""
    return await asyncio.to_thread(lambda: list(request(home, payload, timeout_seconds)))


async def test_a_request_gets_its_answer_and_the_server_knows_who_asked(home: Path) -> None:
    """The kernel names the peer; nothing that the client says is believed."""
    async with serve(home, echo):
        (answer,) = await ask(home, b'{"verb":"up"}')
    assert msgspec.json.decode(answer)[0] == '{"verb":"up"}'
    assert msgspec.json.decode(answer)[2:] == [os.geteuid(), os.getpid()]


async def test_many_answers_come_one_by_one(home: Path) -> None:
    """A request may have any number of answers, none too."""
    async with serve(home, count):
        assert await ask(home, b"3") == [b"0", b"1", b"2"]
        assert await ask(home, b"0") == []


async def test_requests_are_answered_side_by_side(home: Path) -> None:
    """Who waits for an answer does not keep others from theirs."""
    first = asyncio.Event()

    async def handler(payload: bytes, _: Peer) -> bytes:
        if payload == b"wait":
            await first.wait()
        else:
            first.set()
        return payload

    async with serve(home, handler):
        waited, went = await asyncio.gather(ask(home, b"wait"), ask(home, b"go"))
    assert (waited, went) == ([b"wait"], [b"go"])


async def test_without_a_supervisor_the_next_step_is_told(home: Path) -> None:
    """Never started, ended, or killed: three states, each with what to do."""
    with pytest.raises(NoSupervisorError, match="start one with `nexus up -d`"):
        await ask(home, b"1")
    async with serve(home, echo):
        pass
    with pytest.raises(NoSupervisorError, match="no supervisor runs"):
        await ask(home, b"1")
    (home / "control").write_text(str(home / "gone.sock"))
    with pytest.raises(NoSupervisorError, match="its services are taken over"):
        await ask(home, b"1")


async def test_a_socket_that_was_left_behind_is_replaced(home: Path) -> None:
    """After a kill -9 the file is still there, with nobody behind it."""
    with contextlib.closing(control.listen_at(control.socket_path(home))):
        pass
    assert control.socket_path(home).exists()
    async with serve(home, count):
        assert await ask(home, b"1") == [b"0"]


async def test_only_the_owner_can_reach_the_socket(home: Path) -> None:
    """The folder, the socket and the file that names it are closed to others."""
    async with serve(home, echo):
        path = control.socket_path(home)
        assert (home / "control").read_text() == str(path)
        assert [permissions(it) for it in (path.parent, path, home / "control")] == [0o700, 0o600, 0o600]


def permissions(path: Path) -> int:
    """Who may do what with it."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_another_user_is_refused(home: Path) -> None:
    """Even with every permission on the files, the kernel's word on the user decides."""
    async with serve(home, echo):
        path = control.socket_path(home)
        opened(path)
        with socket.socket(socket.AF_UNIX) as channel:
            os.seteuid(65534)
            try:
                channel.connect(str(path))
            finally:
                os.seteuid(0)
            channel.sendall(b"1\n")
            answer = await asyncio.to_thread(channel.recv, 1000)
    assert b"may not control this supervisor" in answer


def opened(path: Path) -> None:
    """Let everybody reach and use a socket, as a careless hand might."""
    path.chmod(0o666)
    for folder in list(path.parents)[:2]:
        folder.chmod(0o711)


async def test_a_request_that_is_too_long_is_refused(home: Path) -> None:
    """Memory is not at the mercy of a client."""
    async with serve(home, echo):
        with contextlib.suppress(ControlError):
            (answer,) = await ask(home, b"x" * (control.MESSAGE_BYTES_MAX + 1))
            assert b"at most" in answer
        assert len(await ask(home, b"x" * 1000)) == 1


async def test_a_supervisor_that_ends_in_between_is_noticed(home: Path) -> None:
    """Answers that stop too early are no answers."""

    async def dies(_: bytes, __: Peer) -> AsyncIterator[bytes]:
        yield b"1"
        serving.close()
        await asyncio.Event().wait()

    class Serving(contextlib.AsyncExitStack):
        def close(self) -> None:
            closing.set()

    closing, serving = asyncio.Event(), Serving()
    await serving.enter_async_context(serve(home, dies))
    asking = asyncio.create_task(ask(home, b"1"))
    await closing.wait()
    await serving.aclose()
    with pytest.raises(ControlError, match="before its answer was complete"):
        await asking


async def test_an_answer_that_does_not_come_times_out(home: Path) -> None:
    """Nobody waits forever for a supervisor that hangs."""

    async def hangs(_: bytes, __: Peer) -> bytes:
        await asyncio.Event().wait()
        return b""

    async with serve(home, hangs):
        with pytest.raises(ControlError, match=r"not answered for 0\.02 s"):
            await ask(home, b"1", 0.02)


async def test_an_answer_is_given_up_when_the_client_goes(home: Path) -> None:
    """A client that hangs up costs nothing any more."""
    given_up = asyncio.Event()

    async def endless(_: bytes, __: Peer) -> AsyncIterator[bytes]:
        try:
            yield b"1"
            await asyncio.Event().wait()
        finally:
            given_up.set()

    def first() -> bytes:
        answers: Iterator[bytes] = request(home, b"1")
        with contextlib.closing(answers):  # type: ignore[type-var]
            return next(answers)

    async with serve(home, endless):
        assert await asyncio.to_thread(first) == b"1"
        await asyncio.wait_for(given_up.wait(), 10)


def test_a_folder_that_others_may_write_to_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever made it first, our sockets go elsewhere, or nowhere."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(shared))
    assert shared not in control.runtime_directory().parents
    with pytest.raises(PermissionError, match="belongs to this user alone"):
        control._private(shared)


def test_a_long_runtime_directory_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths of sockets are short by nature: 108 bytes on Linux, 104 on macOS."""
    long = tmp_path / ("x" * 90)
    long.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    path = control.socket_path(tmp_path)
    with contextlib.closing(control.listen_at(path)) as listener:
        assert isinstance(listener, socket.socket)
    path.unlink()
