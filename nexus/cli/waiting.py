"""Asking for something and waiting until it is so, with a line for each change."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from nexus.cli import output
from nexus.cli.channel import submit
from nexus.cli.follow import Follower, pause
from nexus.cli.logs import last_lines
from nexus.cli.output import paint
from nexus.cli.problems import ProblemError
from nexus.cli.progress import line, waiting
from nexus.platforms.detach import is_alive as process_lives
from projections import views
from projections.conditions import instances_of, is_internal, settled
from projections.dependencies import with_needs
from projections.history import History
from projections.state import State
from projections.wishes import starts_by_itself

LOOK_SECONDS = 1.0
"""How often it is looked whether the supervisor still lives, and told whom one waits for."""

TOLD_AGAIN_SECONDS = 5
LINES_SHOWN = 5
GOOD = {"up": ("running", "completed", "paused"), "pause": ("paused",)}
"""The states in which a wish has come true, where not running or completed."""

FAILED = {"pause": "was not paused", "resume": "does not go on"}
"""How it is told that a wish did not come true, where not as `did not start`."""


class Wish:
    """Something that is asked of a running supervisor, followed to its end on standard error or for programs."""

    def __init__(
        self,
        home: Path,
        verb: str,
        services: Sequence[str] = (),
        quiet: bool = False,
        arguments: Mapping[str, str | int | float] | None = None,
    ) -> None:
        self.home, self.verb, self.services, self.quiet = home, verb, list(services), quiet
        self.arguments = arguments
        self.seq = self.pid = 0
        self.follower: Follower | None = None
        self._transient = False

    def submit(self) -> int:
        """Ask; returns the position of the recorded command. Raises ProblemError where it is refused."""
        self.seq = submit(self.home, self.verb, self.services, self.arguments)
        return self.seq

    def wait(self) -> State:
        """What is known once the wish is fulfilled or can't be; raises ProblemError where the supervisor is gone.

        Ctrl-C ends the waiting, not the wish.
        """
        try:
            return self._wait()
        except KeyboardInterrupt:
            self._clear()
            raise ProblemError(
                f"no longer waiting for {self.verb}, which goes on", next_step="see `nexus status`", kind="interrupted"
            ) from None

    def _wait(self) -> State:
        self.follower = Follower(History(self.home), self.seq - 1)
        self.pid = self.follower.state.supervisor.pid
        looked = output.now_micros()
        while True:
            state = self.tell()
            if state.seq >= self.seq and self.is_done(state):
                self._clear()
                return state
            pause()
            now = output.now_micros()
            if now - looked >= LOOK_SECONDS * 1_000_000:
                looked = now
                self._tell_waiting(state, now)
                self._look()

    def tell(self) -> State:
        """Tell what has happened since the last call."""
        assert self.follower is not None
        for before, recorded, after in self.follower.news():
            told = line(before, recorded, after)
            if told and not self.quiet:
                self._clear()
                print(f"{told[0]:<{_width(after)}}  {_painted(told[1])}", flush=True)
        return self.follower.state

    def is_done(self, state: State) -> bool:
        """Whether nothing more comes of the wish by itself."""
        if self.verb in ("down", "detach"):
            return state.supervisor.pid == 0 and (self.pid == os.getpid() or not process_lives(self.pid))
        return settled(_without_failing_internals(state)) and not state.decisions.pending

    def failures(self, state: State) -> list[tuple[str, str]]:
        """The services that did not become what was wished, and why."""
        if self.verb in ("down", "detach", "stop"):
            return []
        stopped = [
            (name, f"the rolling restart was stopped: {rollout.problem}")
            for name, rollout in state.services.rollouts.items()
            if rollout.asked == self.seq and rollout.problem
        ]
        if stopped:
            return stopped
        good = GOOD.get(self.verb, ("running", "completed"))
        return [
            (name, service.why or f"it is {service.state}")
            for name, service in views.status(state, state.at).services.items()
            if name in self.wished(state) and service.state not in good
        ]

    def wished(self, state: State) -> set[str]:
        """The services that the wish is about, with what they need where they start."""
        if self.verb in ("pause", "resume", "scale", "signal"):
            return set(self.services)
        if self.verb == "reload":
            return {it.service for it in state.services.instances.values() if it.wanted and it.run}
        declared = state.services.declared
        named = self.services or [name for name in declared if starts_by_itself(state.services, name)]
        return {name for name in with_needs(declared, named) if not is_internal(state, name)}

    # -- telling ---------------------------------------------------------------------------------

    def _tell_waiting(self, state: State, now: int) -> None:
        texts = waiting(state, now)
        if self.quiet or not texts:
            return
        if sys.stdout.isatty():
            self._clear()
            print("; ".join(texts)[: (output.width() or 80) - 1], end="", flush=True)
            self._transient = True
            return
        for text in texts:
            seconds = int(text.rpartition(": ")[2].partition(" ")[0])
            if seconds == 1 or seconds % TOLD_AGAIN_SECONDS == 0:
                print(text, flush=True)

    def _clear(self) -> None:
        if self._transient:
            print("\r\033[K", end="")
            self._transient = False

    def _look(self) -> None:
        """Notice a supervisor that was killed."""
        if not process_lives(self.pid) and self.tell().supervisor.pid == self.pid:
            raise ProblemError(
                "the supervisor ended before it was done",
                next_step=f"see {self.home / 'supervisor.log'} and `nexus status`",
                kind="supervisor-gone",
            )


def _without_failing_internals(state: State) -> State:
    """The state without the parts of Nexus that do not start: what people asked for may be done all the same."""
    replace = msgspec.structs.replace
    instances = {
        name: it
        for name, it in state.services.instances.items()
        if not (it.failures and is_internal(state, it.service))
    }
    return replace(state, services=replace(state.services, instances=instances))


def _width(state: State) -> int:
    return max((len(name) for name in views.service_names(state)), default=8)


def _painted(text: str) -> str:
    colours = {"healthy": "green", "running": "green", "still running": "green", "given up": "red", "could not": "red"}
    return next((paint(text, colour) for word, colour in colours.items() if text.startswith(word)), text)


def tell_failures(home: Path, state: State, failures: Sequence[tuple[str, str]], verb: str = "start") -> None:
    """Say on standard error what did not start, why, and what it wrote last."""
    for name, why in failures:
        print(f"nexus: {name} {FAILED.get(verb, 'did not start')}: {why}", file=sys.stderr)
        for instance in instances_of(state, name):
            if instance.state == "failed":
                for text in last_lines(home, instance.name, LINES_SHOWN):
                    print(f"  | {text}", file=sys.stderr)
                print(f"  see `nexus logs {name}`, mend it, then `nexus start {name}`", file=sys.stderr)
