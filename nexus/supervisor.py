"""One supervisor: platform, log, sensors, policies and effectors wired over one home."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from events.catalog import (
    CommandReceived,
    Decision,
    KillDecided,
    LeaseEnded,
    LeaseGranted,
    LimitsDecided,
    PauseDecided,
    PortChosen,
    PortReleased,
    PortReserved,
    ReservationEnded,
    ResumeDecided,
    Service,
    SignalDecided,
    StartDecided,
    StopDecided,
    SupervisorStarted,
)
from events.envelope import Draft, Recorded
from events.log import Log
from events.samples import Samples
from nexus import parts
from nexus.config.resolve import Resolved, resolve
from nexus.configured import Configured, planned
from nexus.controller import Controller, Effect
from nexus.effectors.leases import LeaseEffector
from nexus.effectors.limits import LimitsEffector
from nexus.effectors.processes import ProcessEffector
from nexus.platforms.base import Launch
from nexus.platforms.control import Peer, serve
from nexus.platforms.current import Platform, open_platform
from nexus.platforms.interrupts import on_interrupt
from nexus.platforms.listen import api_socket
from nexus.platforms.port_rules import port_rules
from nexus.platforms.sockets import ancestors, marked
from nexus.platforms.zone import local_zone
from nexus.sensors.asking import Question
from nexus.sensors.clock import watch_clock
from nexus.sensors.configuration import watch_file
from nexus.sensors.drains import DrainSensor
from nexus.sensors.endpoints import EndpointSensor
from nexus.sensors.operator import Operator
from nexus.sensors.probes import ProbeSensor
from nexus.sensors.resources import ResourceSensor
from nexus.sensors.sockets import SocketSensor
from nexus.sensors.traffic import traffic_of
from projections.changes import Plan
from projections.history import SNAPSHOT_EVERY, History
from projections.services import Instance
from projections.state import State, encode, evolve_all


class Supervisor:
    """One supervisor's life over one home."""

    def __init__(self, home: Path, file: Path, version: str) -> None:
        self.home, self.file, self.version = home, file, version
        self.configured = Configured(home, file)
        self.history = History(home)
        self.log = Log.open(
            home,
            size_limit_bytes=self.configured.configuration.settings.log_size_bytes,
            salvage=lambda history: encode(evolve_all(State(), history)),
        )
        state = self.history.at()
        self.platform: Platform = open_platform(home, state.at)
        self.controller = Controller(
            self.log, self.platform.clock, self.platform.mailbox, self.platform.processes, self._effects(), state
        )
        self.probes = ProbeSensor(self.platform.mailbox.post, self._question)
        self.sockets = SocketSensor(
            self.platform.inventory, self.platform.mailbox.post, self._whose, self.platform.sockets.ephemeral_range()
        )
        self.resources = ResourceSensor(
            self.platform.meter, self._samples(), self.platform.clock, self.platform.mailbox.post,
            lambda: self.controller.state, home,
        )  # fmt: skip
        self.endpoints = EndpointSensor(self.platform.mailbox.post, home)
        self.operator = Operator(self.controller.submit, self._known, self._plan, self._reload, os.getpid(), version)
        self.nudge = parts.Nudge()
        self.drains = DrainSensor(self.platform.mailbox.post, parts.under_way(home))
        self.controller.subscribers += [
            self.probes.follow, self.endpoints.follow, self._keep_snapshots, self.nudge.tell,
            self.drains.follow
        ]  # fmt: skip
        self._kept_at = state.seq

    def _samples(self) -> Samples:
        settings = self.configured.configuration.settings
        return Samples(self.home, settings.samples_size_bytes, settings.samples_keep_seconds)

    def _effects(self) -> dict[type[Decision], Effect]:
        runs = ProcessEffector(self.platform.processes, self.platform.sockets, self._launch)
        leases = LeaseEffector(self.platform.sockets)
        return {
            StartDecided: runs.start,
            StopDecided: runs.stop,
            KillDecided: runs.kill,
            PauseDecided: runs.pause,
            ResumeDecided: runs.resume,
            SignalDecided: runs.tell,
            LimitsDecided: LimitsEffector(self.platform.limiter).limit,
            PortChosen: leases.hold,
            PortReleased: leases.release,
            LeaseGranted: leases.grant,
            LeaseEnded: leases.release,
            PortReserved: leases.reserve,
            ReservationEnded: leases.unreserve,
        }

    # -- what the effectors and sensors ask for ------------------------------------------------

    def _resolved(self, instance: str, ports: Mapping[str, int]) -> Resolved:
        part = parts.resolved(self.configured.configuration, self.home, instance, ports, self._ports())
        return part or resolve(
            self.configured.configuration, instance, ports=ports, service_ports=self._ports(), home=self.home,
            socket=str(api_socket(self.home) or ""), url=parts.url(self.controller.state),
            gateway=parts.gateway_url(self.controller.state),
        )  # fmt: skip

    def _launch(self, decision: StartDecided) -> Launch:
        service = self.configured.services.get(decision.service)
        if service is None:
            raise ValueError(f"{decision.service} is no longer in {self.file.name}")
        resolved = self._resolved(decision.instance, decision.ports)
        _prepare(resolved.data_directory, service.user)
        hosts = {request.name: request.host for request in service.ports}
        return Launch(
            instance=decision.instance,
            argv=resolved.argv,
            environment=resolved.environment,
            directory=resolved.directory,
            log_file=str(self.home / "logs" / f"{decision.instance}.log"),
            user=service.user,
            ports={port: hosts.get(name, "127.0.0.1") for name, port in decision.ports.items()},
        )

    def _question(self, instance: Instance) -> Question:
        resolved = self._resolved(instance.name, instance.ports)
        service = self.configured.services[instance.service]
        probe = resolved.probe or service.probe
        assert probe is not None, "only services with a probe are asked"
        host = next((request.host for request in service.ports if request.name == probe.port), "127.0.0.1")
        return Question(probe, host, instance.ports.get(probe.port, 0), resolved.environment)

    def _ports(self) -> dict[str, dict[str, int]]:
        """The ports of every service's first instance, by service and by name."""
        found: dict[str, dict[str, int]] = {}
        for lease in self.controller.state.leases.by_name.values():
            instance, _, port = lease.name.partition("/")
            service, _, number = instance.rpartition(".")
            if number == "1" and lease.state not in ("refused", "released"):
                found.setdefault(service, {})[port] = lease.port
        return found

    async def _answer(self, payload: bytes, peer: Peer) -> bytes:
        if traffic := traffic_of(payload):
            self.platform.mailbox.post(Draft(traffic))
            return b"{}"
        return await self.operator.answer(payload, peer.user)

    def _interrupted(self) -> None:
        """The first time everything is stopped in good order, the second time the services are left running."""
        going = self.controller.state.supervisor.going
        self.platform.mailbox.post(Draft(CommandReceived(verb="detach" if going else "down"), actor="signal"))

    def _whose(self, pid: int) -> str:
        """The instance that a process belongs to, empty for a stranger."""
        ours = {one.pid: one.name for one in self.controller.state.services.instances.values() if one.pid}
        return next((ours[one] for one in (pid, *ancestors(pid)) if one in ours), "") or marked(pid, self.home)

    def _known(self) -> dict[str, Service]:
        return self.configured.configuration.declared

    def _plan(self) -> Plan:
        return planned(self.home, self.file, self.controller.state)

    def _reload(self) -> bool:
        """Read the file again; raises ConfigurationError and changes nothing where it can't be used."""
        loaded = self.configured.reload(self.controller.state)
        if loaded:
            self.controller.mailbox.post(Draft(loaded))
        return loaded is not None

    async def _watch_file(self) -> None:
        if self.configured.configuration.settings.watch:
            await watch_file(self.file, self.operator.reload_by_itself, self.platform.mailbox.post)

    def _keep_snapshots(self, state: State, _: Sequence[Recorded]) -> None:
        if state.seq - self._kept_at >= SNAPSHOT_EVERY:
            self._kept_at = state.seq
            self.history.keep(state)

    # -- one life ------------------------------------------------------------------------------

    async def run(self) -> None:
        """From taking over to a completed shutdown."""
        zone, offsets = local_zone(self.platform.clock.now())
        started = SupervisorStarted(
            pid=os.getpid(), version=self.version, platform=sys.platform, home=str(self.home), zone=zone,
            utc_offsets=offsets, machine=port_rules(),
        )  # fmt: skip
        self.controller.recover(started, self.configured.changed(self.controller.state))
        step_seconds = self.platform.clock.wall_step_seconds
        sockets = asyncio.create_task(self.sockets.run(list(self.controller.state.ports.open)))
        resources = asyncio.create_task(self.resources.run())
        watched = asyncio.create_task(self._watch_file())
        clock = asyncio.create_task(watch_clock(self.platform.mailbox.post, step_seconds))
        try:
            async with serve(self.home, self._answer):
                on_interrupt(self._interrupted)
                await self.controller.run()
        finally:
            clock.cancel()
            resources.cancel()
            watched.cancel()
            sockets.cancel()
            self.platform.inventory.close()
            await self.probes.close()
            await self.endpoints.close()
            self.nudge.close()
            await self.drains.close()
            self.controller.stop(os.getpid())
            self.history.keep(self.controller.state)
            self.log.close()


def _prepare(data_directory: str, user: str) -> None:
    """Make the directory of a service's data, for the user that it runs as."""
    if data_directory and not Path(data_directory).is_dir():
        Path(data_directory).mkdir(parents=True)
        if user:
            shutil.chown(data_directory, user)
