"""Figures for Prometheus, and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from events.envelope import Position
from nexus.http.operation import Asked, Nothing
from nexus.http.queries import AtQuery, Known
from projections import views
from projections.health import HealthStatus
from projections.moments import iso
from projections.services import InstanceState

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STATES: tuple[InstanceState, ...] = views.STATES
HEALTHS: tuple[HealthStatus, ...] = views.HEALTHS


USED = (
    ("nexus_instance_cpu_cores", "Cores that an instance with all that it started used, over a minute."),
    ("nexus_instance_memory_bytes", "Resident memory of an instance with all that it started, over a minute."),
    ("nexus_instance_processes", "Processes of an instance."),
    ("nexus_instance_threads", "Threads of an instance."),
    ("nexus_instance_open_files", "Open files of an instance."),
)


class Sample(msgspec.Struct, frozen=True):
    """One figure with its labels."""

    labels: dict[str, str]
    value: float


class Metric(msgspec.Struct, frozen=True):
    """Figures of one name."""

    name: str
    help: str
    type: Literal["gauge", "counter"]
    samples: list[Sample]


class MetricsView(msgspec.Struct, frozen=True):
    """Every figure."""

    seq: Position
    at: str
    metrics: list[Metric]


def metrics(known: Known, _: Asked[Nothing, AtQuery]) -> MetricsView:
    """Every figure at a moment."""
    return MetricsView(known.state.seq, iso(known.now), list(_metrics(known)))


def as_text(view: MetricsView) -> bytes:
    """The text format of Prometheus, version 0.0.4."""
    lines: list[str] = []
    for metric in view.metrics:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.type}"]
        lines += [f"{metric.name}{_labels(sample.labels)} {sample.value:.17g}" for sample in metric.samples]
    return ("\n".join(lines) + "\n").encode()


def _labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _metrics(known: Known) -> Iterator[Metric]:
    state = known.state
    status = views.status(state, known.now, known.alive)
    instances = [(name, it) for name, service in status.services.items() for it in service.instances]
    yield _one("nexus_supervisor_up", "Whether a supervisor runs.", known.alive)
    yield _one("nexus_log_position", "The position of the last event.", state.seq, "counter")
    yield _one("nexus_decisions_total", "Decisions that had something done.", state.decisions.taken, "counter")
    yield _one("nexus_decisions_pending", "Decisions whose outcome is still to come.", len(state.decisions.pending))
    yield Metric(
        "nexus_service_state", "1 for the state that a service is in.", "gauge",
        [Sample({"service": name, "state": one}, float(service.state == one))
         for name, service in status.services.items() for one in STATES],
    )  # fmt: skip
    yield Metric(
        "nexus_service_health", "1 for the health of a service.", "gauge",
        [Sample({"service": name, "health": one}, float(service.health == one))
         for name, service in status.services.items() for one in HEALTHS],
    )  # fmt: skip
    yield Metric(
        "nexus_instance_restarts_total", "How often an instance was tried again.", "counter",
        [Sample({"service": name, "instance": it.name}, float(it.restarts)) for name, it in instances],
    )  # fmt: skip
    yield Metric(
        "nexus_instance_running", "Whether an instance is ready.", "gauge",
        [Sample({"service": name, "instance": it.name}, float(it.state == "running")) for name, it in instances],
    )  # fmt: skip
    yield from _resources(known)
    severities = [alert.severity for alert in state.alerts.active.values()]
    yield Metric(
        "nexus_alerts", "Alerts that are not over.", "gauge",
        [Sample({"severity": one}, float(severities.count(one))) for one in ("info", "warning", "critical")],
    )  # fmt: skip
    yield _one("nexus_ports_leased", "Ports that are promised.", len(state.leases.taken()))


def _resources(known: Known) -> Iterator[Metric]:
    """What was used in the last minute that was measured."""
    used, figures = known.state.resources, dict[str, list[Sample]]()
    for name, it in {**used.by_instance, **({"nexus": used.supervisor} if used.supervisor else {})}.items():
        labels = {"service": name.rpartition(".")[0] or name, "instance": name}
        values = (it.cpu_mean, it.memory_mean_kib * 1024, it.processes, it.threads, it.files)
        for (metric, _), value in zip(USED, values, strict=True):
            figures.setdefault(metric, []).extend([] if value is None else [Sample(labels, float(value))])
    for metric, text in USED:
        yield Metric(metric, text, "gauge", figures.get(metric, []))
    yield _one("nexus_machine_cpu_cores", "Cores of the machine that were busy.", used.machine.cpu)
    yield _one("nexus_machine_memory_available_bytes", "Memory that is left.", used.machine.memory_available_kib * 1024)
    yield Metric(
        "nexus_disk_free_bytes", "Room on the disk that a folder lies on.", "gauge",
        [Sample({"folder": folder}, float(disk.free_mib << 20)) for folder, disk in used.machine.disks.items()],
    )  # fmt: skip


def _one(name: str, text: str, value: float, kind: Literal["gauge", "counter"] = "gauge") -> Metric:
    return Metric(name, text, kind, [Sample({}, float(value))])
