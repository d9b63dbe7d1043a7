"""Takes what people and programs ask for over the control channel: one JSON request, one JSON answer."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from events.catalog import CommandReceived, Service, Value, Verb
from events.envelope import Position
from events.log import LogError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
PORT_MAX = 65_535
INSTANCES_MAX = 1000
SIGNALS = ("HUP", "USR1", "USR2", "INT", "QUIT", "TERM", "WINCH", "TTIN", "TTOU")

Submit = Callable[[CommandReceived, str], Awaitable[Position]]
Known = Callable[[], dict[str, Service]]


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be asked: a command, `ping` for who runs here, or `plan` for what a reload would do.

    `actor` is on whose behalf the web API asks.
    """

    verb: Verb | Literal["ping", "plan"]
    services: tuple[str, ...] = ()
    command_id: str = ""
    actor: str = ""
    arguments: dict[str, Value] = {}


class Refused(msgspec.Struct, frozen=True):
    """Why nothing was done, and what to do instead; `conflict` where asking otherwise would help."""

    problem: str
    next_step: str
    conflict: bool = False


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The position of the command's event, or who runs here, or what would be done, or why not."""

    seq: Position | None = None
    pid: int | None = None
    version: str | None = None
    plan: Any = None
    error: Refused | None = None


class Operator:
    """Answers requests; `reload` reads the configuration anew, whether it changed; `plan` says what that would do.

    Both raise ValueError where it can't be used.
    """

    def __init__(
        self, submit: Submit, known: Known, plan: Callable[[], Any], reload: Callable[[], bool], pid: int, version: str
    ) -> None:
        self.submit, self.known, self.plan, self.reload = submit, known, plan, reload
        self.pid, self.version = pid, version

    async def answer(self, payload: bytes, actor: str) -> bytes:
        """The answer to one request, both as JSON."""
        try:
            request = msgspec.json.decode(payload, type=Request)
        except msgspec.DecodeError as error:
            refused = Refused(f"the request was not understood: {error}", "use the nexus command of this version")
            return msgspec.json.encode(Answer(error=refused))
        return msgspec.json.encode(await self._answer(request, actor))

    async def _answer(self, request: Request, actor: str) -> Answer:
        if request.verb == "ping":
            return Answer(pid=self.pid, version=self.version)
        arguments = request.arguments
        try:
            if request.verb == "plan":
                return Answer(plan=self.plan())
            if request.verb in ("up", "reload"):
                changed = self.reload()
                arguments = {"changed": changed} if request.verb == "reload" else arguments
        except ValueError as error:
            return Answer(error=Refused(str(error), "mend the file; nothing was changed", True))
        unknown = [name for name in request.services if name not in self.known()]
        if unknown:
            names = ", ".join(sorted(self.known())) or "none"
            return Answer(error=Refused(f"there is no service {unknown[0]!r}", f"the services are: {names}"))
        if refused := self._refused(request):
            return Answer(error=refused)
        command = CommandReceived(
            verb=request.verb, services=request.services, command_id=request.command_id, arguments=arguments
        )  # fmt: skip
        try:
            return Answer(seq=await self.submit(command, request.actor or actor))
        except LogError as error:
            return Answer(error=Refused(f"the command could not be recorded: {error}", "run `nexus doctor`"))

    async def reload_by_itself(self) -> str:
        """Apply a configuration that was saved; why it can't be used, empty where it was."""
        answer = await self._answer(Request("reload"), "nexus.toml")
        return answer.error.problem if answer.error else ""

    def _refused(self, request: Request) -> Refused | None:
        """What is wrong with the arguments of a request."""
        if request.verb in ("lease", "release"):
            return self._refused_lease(request)
        if request.verb == "scale":
            return self._refused_scale(request)
        if request.verb == "signal" and request.arguments.get("signal") not in SIGNALS:
            return Refused(
                f"{request.arguments.get('signal')!r} can't be sent", f"use one of {', '.join(SIGNALS)}", True
            )
        return self._refused_mark(request) if request.verb in ("mark", "unmark") else None

    @staticmethod
    def _refused_mark(request: Request) -> Refused | None:
        """What is wrong with a request about an incident."""
        name = request.arguments.get("incident")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            return Refused(f"{name!r} can't name an incident", "use up to 63 letters, digits, '.', '_' and '-'")
        first, last = request.arguments.get("first"), request.arguments.get("last")
        if request.verb == "mark" and not (isinstance(first, int) and isinstance(last, int) and 1 <= first <= last):
            return Refused(f"{first}-{last} are no events", "name the positions of the first and the last one")
        return None

    def _refused_scale(self, request: Request) -> Refused | None:
        """What is wrong with a wanted number of instances."""
        count = request.arguments.get("instances")
        if len(request.services) != 1 or isinstance(count, bool) or not isinstance(count, int):
            return Refused("scaling takes one service and a number", "for example `nexus scale web 3`", True)
        service = self.known()[request.services[0]]
        least, most = (1, INSTANCES_MAX) if service.replicas_max is None else (service.replicas, service.replicas_max)
        fixed = next((port.fixed for port in service.ports if port.fixed), None)
        if fixed and count > 1:
            problem = f"{service.name} insists on port {fixed}, which only one instance can have"
            return Refused(problem, 'give its port "auto" in nexus.toml', True)
        if not least <= count <= most:
            problem = f"{service.name} can't have {count} instances: from {least} to {most} are allowed"
            return Refused(problem, "change `instances` in nexus.toml, or stop it with `nexus stop`", True)
        return None

    @staticmethod
    def _refused_lease(request: Request) -> Refused | None:
        """What is wrong with a request about a lease."""
        name = request.arguments.get("lease")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            return Refused(f"{name!r} can't be the name of a lease", "use up to 63 letters, digits, '.', '_' and '-'")
        first, last = request.arguments.get("first"), request.arguments.get("last")
        if first is None and last is None:
            return None
        if not (isinstance(first, int) and isinstance(last, int) and 1 <= first <= last <= PORT_MAX):
            return Refused(f"{first}-{last} is no range of ports", "name the first and the last, such as 3000-3999")
        return None
