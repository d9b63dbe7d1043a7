"""Asks each new run, once it is healthy, what it offers, and reports what changed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from events.catalog import Api, DocumentQuarantined, Endpoint, EndpointsDiscovered, EndpointSource, Service
from events.envelope import Draft, Position, Recorded
from nexus.registry import store
from nexus.sensors.asking_around import Served, ask_around
from nexus.sensors.fetching import Address
from nexus.sensors.reader import Told
from projections.conditions import is_internal
from projections.endpoints import Found, Interface
from projections.routes import EVERYWHERE, routed_port
from projections.services import Instance
from projections.state import State

AT_ONCE = 2
"""How many runs are asked at the same time; the others wait."""

PAUSES_SECONDS = (0.2, 1.0, 5.0)
"""Between the tries to reach a run that has no health check: nobody has said that it listens."""

READING_SECONDS_MAX = 20.0


class EndpointSensor:
    """One task for each new run; `post` receives what is new, documents are kept below `home`."""

    def __init__(self, post: Callable[[Draft], None], home: Path) -> None:
        self.post, self.home = post, home
        self._asked: dict[Position, tuple[Api, asyncio.Task[None]]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._state = State()

    def follow(self, state: State, _: Sequence[Recorded] = ()) -> None:
        """Begin to ask the runs that are new and well, and leave those that ended."""
        if state.services is self._state.services and state.health is self._state.health:
            self._state = state
            return
        self._state = state
        instances = [one for one in state.services.instances.values() if one.run]
        wanted = {one.run: _api(state, one) for one in instances}
        for run in [run for run, (api, _) in self._asked.items() if wanted.get(run) != api]:
            self._asked.pop(run)[1].cancel()
        for one in instances:
            api = wanted[one.run]
            if api and one.run not in self._asked and (address := _address(state, one)):
                self._asked[one.run] = api, asyncio.ensure_future(self._ask(one, address))

    async def close(self) -> None:
        """Stop asking."""
        tasks = [task for _, task in self._asked.values()]
        self._asked.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- one run -------------------------------------------------------------------------------

    async def _ask(self, instance: Instance, address: Address) -> None:
        async with self._turns:
            service = self._state.services.declared.get(instance.service)
            if service is None or not service.api.asked:
                return
            known = self._interface(instance.service)
            last = known.sources.get("openapi", Found()).path
            for pause_seconds in PAUSES_SECONDS:
                told = await ask_around(address, service.api.document, last)
                if not told.deaf or service.probe:
                    break
                await asyncio.sleep(pause_seconds)
            for served in told.documents:
                await self._document(instance, served)
            for path, reason in told.problems:
                self._quarantine(instance, path, reason)
            if told.finished:
                found: set[EndpointSource] = {served.source for served in told.documents}
                paths = {path for path, _ in told.problems}
                for source in ("openapi", "asyncapi", "graphql"):
                    was = known.sources.get(source)
                    if was and was.endpoints and source not in found and was.path not in paths:
                        self._nothing_left(instance, source, was)
                self._health(instance, service, told.health)

    async def _document(self, instance: Instance, served: Served) -> None:
        known = self._interface(instance.service)
        before = known.sources.get(served.source, Found())
        digest = store.digest_of(served.body)
        if digest == before.document and served.path == before.path and not _bad(known, served.path):
            return
        told = await self._read(served.body, before.document)
        if told.problem:
            self._quarantine(instance, served.path, told.problem)
            return
        await asyncio.to_thread(store.keep, self.home, digest, bytes(told.document))
        self._discovered(
            instance, told.source, path=served.path, document=digest, title=told.title, endpoints=told.endpoints,
            omitted=told.omitted, breaking=told.breaking,
        )  # fmt: skip

    async def _read(self, raw: bytes, before: str) -> Told:
        """What a document says, read by a process of its own."""
        earlier = [str(store.path_of(self.home, before))] if before else []
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "nexus.sensors.reader", *earlier, stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(READING_SECONDS_MAX):
                answer, _ = await process.communicate(raw)
            return msgspec.json.decode(answer, type=Told)
        except TimeoutError:
            return Told(problem=f"it could not be read within {READING_SECONDS_MAX:g} s")
        except msgspec.DecodeError:
            return Told(problem="it takes more time or memory to read than a document may")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    # -- what is told --------------------------------------------------------------------------

    def _nothing_left(self, instance: Instance, source: EndpointSource, was: Found) -> None:
        gone = f"{len(was.endpoints)} endpoints: it serves no document any more"
        self._discovered(instance, source, path=was.path, breaking=(gone,))

    def _health(self, instance: Instance, service: Service, paths: Sequence[str]) -> None:
        probed = (service.probe.target or "/").partition("?")[0] if service.probe else ""
        found = tuple(Endpoint("GET", path, summary="health") for path in paths if path != probed)
        was = self._interface(instance.service).sources.get("health", Found())
        if found != was.endpoints:
            self._discovered(instance, "health", endpoints=found)

    def _discovered(self, instance: Instance, source: EndpointSource, **more: object) -> None:
        event = EndpointsDiscovered(service=instance.service, source=source, **more)  # type: ignore[arg-type]
        self.post(Draft(event, instance.run))

    def _quarantine(self, instance: Instance, path: str, reason: str) -> None:
        known = self._interface(instance.service).quarantined
        if known is None or (known.path, known.reason) != (path, reason):
            self.post(
                Draft(DocumentQuarantined(service=instance.service, path=path, reason=reason), instance.run)
            )  # fmt: skip

    def _interface(self, service: str) -> Interface:
        return self._state.endpoints.by_service.get(service, Interface())


def _bad(known: Interface, path: str) -> bool:
    return known.quarantined is not None and known.quarantined.path == path


def _api(state: State, instance: Instance) -> Api | None:
    """How the service of a run is to be asked, None where it is not declared any more."""
    service = state.services.declared.get(instance.service)
    return service.api if service else None


def _address(state: State, instance: Instance) -> Address | None:
    """Where a run is to be asked; None as long as it is not well, and for whatever may not or can't be asked.

    Only its own port: one that a stranger has open is never asked, whatever the lease says.
    """
    service = state.services.declared.get(instance.service)
    if service is None or not instance.pid or instance.state != "running" or is_internal(state, instance.service):
        return None
    if not service.api.asked or service.task or (service.probe and service.probe.kind == "postgres"):
        return None
    if service.probe and state.health.status(instance.name) != "healthy":
        return None
    request = routed_port(service)
    port = instance.ports.get(request.name) if request else None
    if request is None or port is None or state.ports.stranger(port):
        return None
    return Address(EVERYWHERE.get(request.host, request.host), port)
