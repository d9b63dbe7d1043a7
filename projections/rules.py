"""The rules of the policies in plain words."""

from __future__ import annotations

RULES: dict[str, str] = {
    "leases.asked": "somebody asked for a port",
    "leases.rebound": "the supervisor that held it has ended, and the promise stands",
    "leases.review": "a lease is looked at again when its term ends, or when nobody used it for 5 minutes",
    "leases.unused": "a lease without a term ends when nobody used its port for 5 minutes",
    "leases.expired": "its term is over",
    "leases.returned": "it was given back",
    "leases.exhausted": "no port of the wanted range is free",
    "startup.wanted": "it is wanted, everything it needs is there, and its ports are held",
    "startup.timeout": "it did not give a good answer within its start timeout",
    "restart.ladder": "a failed service is tried again after the delays of its restart policy, one delay for each try",
    "restart.given_up": "a service that failed more often than its restart policy allows stays down until started",
    "restart.asked": "it is to be replaced: somebody asked for a restart, or its declaration changed",
    "signals.asked": "somebody asked for it; its process decides what it means",
    "rolling.next": "all instances are well, so the run of the next one is replaced",
    "rolling.done": "every run was replaced, and all instances are well",
    "rolling.broken": "a replaced instance did not get well: the others keep their runs",
    "pausing.asked": "somebody asked for it to stand still; it is not checked meanwhile",
    "pausing.over": "somebody asked for it to go on",
    "health.unhealthy": "a service whose checks failed too often in a row is stopped and tried again",
    "dependency.lost": "a service does not run on a dependency that was given up or is not wanted any more",
    "shutdown.asked": "somebody asked for it to stop, and nothing that needs it runs any more",
    "shutdown.undeclared": "nexus.toml no longer has it, and nothing that needs it runs any more",
    "shutdown.down": "somebody asked for everything to stop; whatever needs a service stops before it",
    "shutdown.detach": "somebody asked the supervisor to go and to leave the services running",
    "gateway.drained": "nobody is led to it any more, so it ends and another run takes its place",
    "shutdown.grace": "a service that was asked to stop has its stop timeout to do so, then it is ended by force",
    "ports.fixed": "nexus.toml asks for this port",
    "ports.stable": "a service gets the port with the best score: the one it had, its first guess, or a free one",
    "ports.exhausted": "no port of the pool is left, so it is looked again after a while",
    "ports.asked_for": "nexus.toml asks for its port for another service, and this one may move",
    "ports.undeclared": "the service that held this port is no longer declared",
    "alerts.given_up": "somebody has to mend a service that was given up",
    "alerts.unhealthy": "somebody ought to know that a running service fails its checks",
    "alerts.no_port": "somebody has to free a port or widen the pool",
    "alerts.flapping": "somebody ought to know that a service fails again and again",
    "alerts.dependency_lost": "somebody ought to know that a service is down because of another one",
    "alerts.api_broken": "somebody ought to know that callers of a service lost what they may rely on; for a day",
    "alerts.document_quarantined": "somebody ought to know that a service's document can't be used",
    "alerts.route_conflict": "somebody ought to know that two endpoints want the same request",
    "alerts.memory": "somebody ought to know that a service uses more memory than it may",
    "alerts.limits": "somebody ought to know that the system refused to limit a service as declared",
    "limits.declared": "nexus.toml says what it may use of the machine",
    "resources.memory": "a service that uses more memory than its memory_max is stopped and tried again",
    "alerts.over": "what the alert was about is over",
    "prediction.hold": "its start is due, so the ports that it takes are held before it comes",
    "prediction.came_true": "what was expected has come and has its port",
    "prediction.missed": "the time in which it was expected is over",
    "prediction.going": "the supervisor goes, and with it everything that it holds",
    "prediction.review": "what is expected is looked at again when something is due or over, and at midnight",
}  # fmt: skip
"""Every rule that a policy can name, and what it says."""


def rule_in_words(rule: str) -> str:
    """What a rule says; a rule of another version of Nexus is named as it is."""
    return RULES.get(rule, f"the rule {rule}, which this version of Nexus does not know")
