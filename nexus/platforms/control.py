"""The channel between the command line and a supervisor: one request, one or several answers.

Messages are lines of JSON; an empty line ends the answers, so that a supervisor which died in between is noticed.
On POSIX it is a unix socket that only its owner and root may use; on Windows loopback TCP with a token.
The file `control` in the home says where it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import socket
import struct
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import psutil

MESSAGE_BYTES_MAX = 1 << 20
REQUEST_SECONDS = 10.0
"""How long a client may take to send its request."""

CONTROL_FILE = "control"
SOCKET_PATH_BYTES_MAX = 100


class ControlError(Exception):
    """The supervisor could not be asked, or did not finish its answer."""


class NoSupervisorError(ControlError):
    """No supervisor runs in that home."""


class Peer(msgspec.Struct, frozen=True):
    """Who asks; `uid` and `pid` are None where the system does not say."""

    user: str
    uid: int | None = None
    pid: int | None = None


Answers = AsyncIterator[bytes] | Awaitable[bytes]
Handler = Callable[[bytes, Peer], Answers]
"""From one request to its answers, all JSON without line breaks."""


# -- the supervisor's side -----------------------------------------------------------------------


@contextlib.asynccontextmanager
async def serve(home: Path, handler: Handler) -> AsyncIterator[None]:
    """Answer requests until the block is left; raises OSError.

    The caller holds the home's lock: a socket that an earlier supervisor left is replaced.
    """
    connections: set[asyncio.Task[None]] = set()
    token = secrets.token_hex(16) if sys.platform == "win32" else ""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await _converse(reader, writer, handler, token)
        except (asyncio.CancelledError, ConnectionError):  # we end, or the client has gone
            pass
        finally:
            connections.discard(task)
            writer.close()

    listener, address = _listen(home)
    server = await asyncio.start_server(connected, sock=listener, limit=MESSAGE_BYTES_MAX)
    _publish(home, f"{address} {token}".strip())
    try:
        yield
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        _withdraw(home, address)


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler, token: str
) -> None:  # fmt: skip
    peer = peer_of(writer.get_extra_info("socket"))
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            allowed = is_allowed(peer) and (not token or await reader.readline() == f"{token}\n".encode())
            request = await reader.readline()
    except (TimeoutError, ValueError):
        return await _answer(writer, _refuse(f"a request is one line of at most {MESSAGE_BYTES_MAX} bytes"))
    if not allowed:
        return await _answer(writer, _refuse(f"user {peer.user} may not control this supervisor"))
    if not request.endswith(b"\n"):
        return None
    answering = asyncio.create_task(_answer(writer, handler(request[:-1], peer)))
    hung_up = asyncio.create_task(reader.read(1))
    try:
        await asyncio.wait((answering, hung_up), return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            answering.result()
    finally:
        answering.cancel()
        hung_up.cancel()
        await asyncio.gather(answering, hung_up, return_exceptions=True)


async def _answer(writer: asyncio.StreamWriter, answers: Answers) -> None:
    if isinstance(answers, AsyncIterator):
        async for answer in answers:
            writer.write(answer + b"\n")
            await writer.drain()
    else:
        writer.write(await answers + b"\n")
    writer.write(b"\n")
    await writer.drain()


async def _refuse(problem: str) -> bytes:
    return msgspec.json.encode({"error": {"problem": problem, "next_step": "use the nexus command as the same user"}})


def is_allowed(peer: Peer) -> bool:
    """Whether this user may control our supervisor: ourselves and root may."""
    return sys.platform == "win32" or peer.uid in (0, os.geteuid())


def _publish(home: Path, text: str) -> None:
    """Say where we are, so that nobody ever reads half of it."""
    fresh = home / f"{CONTROL_FILE}.new"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.replace(fresh, home / CONTROL_FILE)


def _withdraw(home: Path, address: str) -> None:
    (home / CONTROL_FILE).unlink(missing_ok=True)
    if sys.platform != "win32":
        Path(address).unlink(missing_ok=True)


# -- the client's side ---------------------------------------------------------------------------


def request(home: Path, payload: bytes, timeout_seconds: float | None = 10.0) -> Iterator[bytes]:
    """The answers of the supervisor of `home`, as they come; each may take `timeout_seconds`, None without a limit.

    Raises NoSupervisorError where nobody listens, ControlError where the answers end too early.
    """
    with _connect(home, timeout_seconds) as (channel, greeting), channel.makefile("rb") as answers:
        try:
            channel.sendall(greeting + payload + b"\n")
            while line := answers.readline():
                if line == b"\n":
                    return
                yield line.rstrip(b"\n")
        except TimeoutError:
            raise ControlError(
                f"the supervisor has not answered for {timeout_seconds} s; try again, or look at its log"
            ) from None
        except OSError as error:
            raise ControlError(f"the supervisor went away while it answered: {error}") from None
    raise ControlError("the supervisor ended before its answer was complete; look with `nexus status`")


@contextlib.contextmanager
def _connect(home: Path, timeout_seconds: float | None) -> Iterator[tuple[socket.socket, bytes]]:
    try:
        address, _, token = (home / CONTROL_FILE).read_text().partition(" ")
    except FileNotFoundError:
        raise NoSupervisorError(f"no supervisor runs in {home}; start one with `nexus up -d`") from None
    if sys.platform == "win32":
        host, _, port = address.rpartition(":")
        channel, target = socket.socket(socket.AF_INET), (host, int(port))
    else:
        channel, target = socket.socket(socket.AF_UNIX), address
    with channel:
        channel.settimeout(timeout_seconds)
        try:
            channel.connect(target)
        except (FileNotFoundError, ConnectionError):
            raise NoSupervisorError(
                f"the supervisor of {home} is gone; start one with `nexus up -d`, its services are taken over"
            ) from None
        except OSError as error:
            raise ControlError(f"the supervisor at {address} cannot be reached: {error}") from None
        yield channel, f"{token}\n".encode() if token else b""


# -- where, and who ------------------------------------------------------------------------------

if sys.platform == "win32":

    def _listen(_: Path) -> tuple[socket.socket, str]:
        listener = socket.create_server(("127.0.0.1", 0))
        return listener, f"127.0.0.1:{listener.getsockname()[1]}"

    def peer_of(_: socket.socket) -> Peer:
        """Who is at the other end: nobody but the owner knows the token."""
        return Peer(psutil.Process().username())

else:
    import pwd

    def _listen(home: Path) -> tuple[socket.socket, str]:
        path = socket_path(home)
        return listen_at(path), str(path)

    def socket_path(home: Path, purpose: str = "") -> Path:
        """Where a socket of this home lies; raises OSError where there is no folder for it."""
        name = hashlib.sha256(os.fsencode(os.path.realpath(home))).hexdigest()[:16]
        return runtime_directory() / f"{name}{purpose}.sock"

    def listen_at(path: Path) -> socket.socket:
        """A unix socket that only its owner can open, bound in place of one that was left; raises OSError."""
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.bind(str(path))
            path.chmod(0o600)
        except OSError:
            listener.close()
            raise
        return listener

    def runtime_directory() -> Path:
        """A folder for sockets that is ours alone; raises OSError where somebody else has made it."""
        own = f"/run/user/{os.geteuid()}"
        for base in (os.environ.get("XDG_RUNTIME_DIR", ""), own):
            if base and len(base) < SOCKET_PATH_BYTES_MAX - 40 and _is_private(Path(base)):
                return _private(Path(base) / "nexus")
        return _private(Path(tempfile.gettempdir()) / f"nexus-{os.geteuid()}")

    def _is_private(folder: Path) -> bool:
        try:
            status = folder.lstat()
        except OSError:
            return False
        return status.st_uid == os.geteuid() and status.st_mode & 0o170077 == 0o040000

    def _private(folder: Path) -> Path:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if not _is_private(folder):
            raise PermissionError(f"{folder} must be a folder that belongs to this user alone; remove it and try again")
        return folder

    def peer_of(channel: socket.socket) -> Peer:
        """Who is at the other end of a unix socket, as the system says."""
        if sys.platform == "linux":
            pid, uid, _ = struct.unpack("3i", channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        else:  # struct xucred of sys/ucred.h; LOCAL_PEERCRED is 1, LOCAL_PEERPID 2, their level 0
            _, uid = struct.unpack("II", channel.getsockopt(0, 1, 76)[:8])
            pid = channel.getsockopt(0, 2)
        try:
            user = pwd.getpwuid(uid).pw_name
        except KeyError:
            user = str(uid)
        return Peer(user, uid, pid)
