"""The table of operations: every path of the API, what it takes, what it answers and who may ask."""

from __future__ import annotations

from functools import partial
from typing import Any

from nexus.http import (
    commands,
    endpoints,
    exports,
    feed,
    incidents,
    leases,
    logs,
    metrics,
    queries,
    resources,
    sessions,
    shown,
    timeline,
)
from nexus.http.operation import Operation
from nexus.http.queries import AtQuery, EventsQuery, OfEvent, OfPort, OfService, PageQuery
from nexus.policies.advice import AdviceView
from projections import alert_views, endpoint_views, event_views, incident_views, pattern_views, views
from projections.changes import Plan
from projections.explanation import Explanation
from projections.questions import AnswerView
from projections.resource_views import ResourcesView, SeriesView
from projections.traffic import TrafficView


def _state(name: str, path: str, tag: str, summary: str, answer: Any, handler: Any, **more: Any) -> Operation:
    """A question to the state of a moment."""
    problems = (404, 503, *more.pop("problems", ()))
    query = more.pop("query", AtQuery)
    return Operation(
        name=name, path=path, tag=tag, summary=summary, answer=answer, handler=handler, query=query, sort="state",
        problems=problems, **more,
    )  # fmt: skip


def _log(name: str, path: str, tag: str, summary: str, answer: Any, handler: Any, **more: Any) -> Operation:
    """A question to the log up to a moment."""
    return Operation(
        name=name, path=path, tag=tag, summary=summary, answer=answer, handler=handler, sort="log",
        problems=(404, 503), **more,
    )  # fmt: skip


def _command(verb: commands.ServiceVerb, summary: str, **more: Any) -> Operation:
    """A command to the supervisor."""
    return Operation(
        name=f"{verb}_service", method="POST", path=f"/api/services/{{service}}/{verb}", tag="services",
        summary=summary, role="operate", place=OfService, answer=shown.Accepted,
        status=202, problems=(404, 409, 413, 503), sort="command", handler=partial(commands.command, verb),
        **{"query": commands.CommandQuery, **more},
    )  # fmt: skip


OPERATIONS: tuple[Operation, ...] = (
    _state("status", "/api/status", "status", "Everything at a glance.", views.Status, queries.status),
    _state("services", "/api/services", "services", "Every service.", shown.ServicesView, queries.services),
    _state("service", "/api/services/{service}", "services", "One service.", shown.OneService, queries.service,
           place=OfService),
    _log("service_logs", "/api/services/{service}/logs", "services", "What an instance wrote.", shown.LogPart,
         logs.logs, place=OfService, query=logs.LogsQuery),
    _command("start", "Start a service, and what it needs."),
    _command("stop", "Stop a service, after what needs it."),
    _command("restart", "Replace the runs of a service.", query=commands.RestartQuery),
    _command("signal", "Send a signal to the process of a service.", body=commands.SignalWanted),
    _command("pause", "Let a service stand still."),
    _command("resume", "Let a paused service go on."),
    _command("scale", "Let a service have so many instances.", body=commands.InstancesWanted),
    Operation(
        name="plan", method="POST", path="/api/plan", tag="services", role="operate", answer=Plan, sort="command",
        summary="What applying a changed nexus.toml would do.", problems=(409, 413, 503), handler=commands.plan,
    ),
    Operation(
        name="reload", method="POST", path="/api/reload", tag="services", role="operate", answer=shown.Reloaded,
        summary="Apply a changed nexus.toml to what runs.", problems=(409, 413, 503), sort="command",
        handler=commands.reload,
    ),
    _log("resources", "/api/resources", "resources", "What everything uses.", ResourcesView, resources.resources,
         query=AtQuery, ages=True),
    _log("service_resources", "/api/services/{service}/resources", "resources", "What a service used over time.",
         SeriesView, resources.series, place=OfService, query=resources.SeriesQuery, ages=True),
    _state("ports", "/api/ports", "ports", "The ports that are known of.", views.PortsView, queries.ports),
    _state("port", "/api/ports/{port}", "ports", "Who has a port, and its whole past.", shown.OnePort, queries.port,
           place=OfPort),
    _state("advice", "/api/advice", "ports", "Free ports, and what would spare trouble with the others.", AdviceView,
           queries.advice),
    _state("leases", "/api/leases", "ports", "The ports that are promised.", views.LeasesView, queries.leases),
    Operation(
        name="lease", method="POST", path="/api/leases", tag="ports", role="operate",
        summary="Get a port that nobody else will get.", body=leases.LeaseWanted, answer=shown.LeaseGiven, status=201,
        problems=(409, 503), sort="command", handler=leases.lease,
    ),
    Operation(
        name="release", method="DELETE", path="/api/leases/{name}", tag="ports", role="operate",
        summary="Give a leased port back.", place=leases.OfLease, answer=shown.LeaseReleased,
        problems=(404, 413, 503), sort="command", handler=leases.release,
    ),
    _log("events", "/api/events", "history", "A page of the history.", shown.EventsPage, queries.events,
         query=EventsQuery),
    _log("event", "/api/events/{id}", "history", "One event.", shown.EventView, queries.event,
         place=OfEvent, query=AtQuery),
    _log("event_explanation", "/api/events/{id}/explanation", "history", "Why an event happened.", Explanation,
         queries.explain, place=OfEvent, query=AtQuery),
    _log("decisions", "/api/decisions", "history", "A page of the decisions.", shown.DecisionsPage,
         queries.decisions, query=PageQuery),
    _log("decision", "/api/decisions/{id}", "history", "One decision.", event_views.DecisionView, queries.decision,
         place=OfEvent, query=AtQuery),
    _log("decision_explanation", "/api/decisions/{id}/explanation", "history", "Why a decision was taken.",
         Explanation, queries.explain, place=OfEvent, query=AtQuery),
    _log("incidents", "/api/incidents", "history", "The stretches of the history that were marked.",
         incident_views.IncidentsView, incidents.incidents, query=AtQuery),
    Operation(
        name="mark_incident", method="POST", path="/api/incidents", tag="history", role="operate",
        summary="Name a stretch of the history.", body=incidents.IncidentWanted, answer=incidents.IncidentMarked,
        status=201, problems=(409, 503), sort="command", handler=incidents.mark,
    ),
    Operation(
        name="unmark_incident", method="DELETE", path="/api/incidents/{name}", tag="history", role="operate",
        summary="Let a mark go.", place=incidents.OfIncident, answer=incidents.IncidentMarked,
        problems=(404, 413, 503), sort="command", handler=incidents.unmark,
    ),
    _log("timeline", "/api/timeline", "history", "Where in the history how much happened.", timeline.Timeline,
         timeline.timeline, query=timeline.TimelineQuery),
    _state("endpoints", "/api/endpoints", "endpoints", "Everything that the services can be asked.",
           endpoint_views.EndpointsView, endpoints.endpoints, query=endpoints.EndpointsQuery),
    _state("usage", "/api/usage", "endpoints", "What is asked of each route, and how long it takes.",
           TrafficView, endpoints.usage, query=endpoints.EndpointsQuery),
    _log("endpoints_document", "/api/endpoints/openapi.json", "endpoints", "One OpenAPI document of all services.",
         endpoints.WholeDocument, endpoints.document, query=AtQuery),
    _log("endpoints_changes", "/api/endpoints/changes", "endpoints", "What changed, and what of it breaks callers.",
         endpoints.ChangesView, endpoints.changes, query=endpoints.ChangesQuery),
    _state("route", "/api/route", "endpoints", "Which endpoint takes a request, and why.",
           endpoint_views.TakenView, endpoints.route, query=endpoints.RouteQuery),
    _state("graph", "/api/graph", "status", "Which service needs which.", views.GraphView, queries.graph),
    _state("alerts", "/api/alerts", "status", "What somebody ought to know.", alert_views.AlertsView, queries.alerts),
    _state("patterns", "/api/patterns", "patterns", "When services and other programs start.",
           pattern_views.PatternsView, queries.patterns),
    _state("predictions", "/api/predictions", "patterns", "The starts that are expected today.",
           pattern_views.PredictionsView, queries.predictions),
    _state("metrics", "/api/metrics", "status", "Every figure.", metrics.MetricsView, metrics.metrics),
    _state("metrics_text", "/metrics", "status", "Every figure, for Prometheus.", str, metrics.metrics,
           media_type=metrics.MEDIA_TYPE),
    Operation(
        name="export", path="/api/export", tag="history", summary="The history for other programs, as a stream.",
        query=exports.ExportQuery, answer=str, media_type="application/x-ndjson", also=("text/csv",), sort="export",
        problems=(404, 503), handler="export",
    ),
    Operation(
        name="query", method="POST", path="/api/query", tag="history", summary="Ask the history in SQL.",
        body=exports.Question, answer=AnswerView, sort="reader", problems=(422, 503), handler=exports.question,
    ),
    Operation(
        name="bundle", path="/api/bundle", tag="history", summary="An interval to be read elsewhere, as a zip file.",
        query=exports.BundleQuery, answer=str, media_type=exports.BUNDLE_MEDIA_TYPE, sort="reader",
        problems=(404, 503), handler=exports.bundle,
    ),
    Operation(
        name="feed", path="/events", tag="history", summary="The live feed over SSE.", query=feed.FeedQuery,
        answer=str, media_type="text/event-stream", sort="stream", problems=(503,), handler="sse",
    ),
    Operation(
        name="redeem_code", method="POST", path="/api/sessions", tag="tokens", role=None,
        summary="Trade a one-time code in for a token.", body=sessions.CodeGiven, answer=sessions.TokenIssued,
        status=201, problems=(404,), handler="redeem",
    ),
    Operation(
        name="tokens", path="/api/tokens", tag="tokens", role="admin", summary="Every token, without its secret.",
        answer=sessions.TokensView, handler="list",
    ),
    Operation(
        name="add_token", method="POST", path="/api/tokens", tag="tokens", role="admin", summary="Make a token.",
        body=sessions.TokenWanted, answer=sessions.TokenIssued, status=201, problems=(409,), handler="add",
    ),
    Operation(
        name="revoke_token", method="DELETE", path="/api/tokens/{name}", tag="tokens", role="admin",
        summary="Revoke a token.", place=sessions.OfToken, answer=sessions.Revoked, problems=(404, 413),
        handler="revoke",
    ),
    Operation(
        name="health", path="/api/health", tag="status", role=None, summary="Whether this server answers.",
        answer=shown.Health, handler="health",
    ),
    Operation(
        name="who", path="/api/session", tag="tokens", summary="Who asks, and what they may do.", answer=shown.Self,
        handler="who",
    ),
)  # fmt: skip

BY_NAME = {operation.name: operation for operation in OPERATIONS}
