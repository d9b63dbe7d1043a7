"""Keeps secrets out of what leaves Nexus: the known values of the configuration, and what has the form of a secret."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from nexus.config.environment import secrets_of
from nexus.config.errors import ConfigurationError
from nexus.config.files import load
from nexus.config.masking import MASK, SHORTEST_SEARCHED, masked, masked_text, secrets_in
from nexus.config.services import Private
from nexus.config.templates import Template

FORMS = re.compile(
    r"\b(?:nxs_[\w-]{20,}|gh[pousr]_\w{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,}"
    r"|AKIA[0-9A-Z]{16}|sk-[\w-]{20,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,})"
)
"""What tokens look like: our own, and those of common services."""

PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\A(?:(?!-----BEGIN ).)*?-----END [A-Z ]*PRIVATE KEY-----",
    re.DOTALL,
)
"""A whole key, or what a part of a text has of one."""


NO_LOGS = "the logs were left out: nexus.toml and its variables can't be read, so that its secrets are not known"


class Redaction:
    """Masks `secrets` wherever they are, and what looks like one."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self.secrets = sorted((it for it in secrets if len(it) >= SHORTEST_SEARCHED), key=len, reverse=True)

    @classmethod
    def of(cls, path: str) -> Redaction:
        """The redaction for what is declared in the configuration file `path` and known in our own environment."""
        try:
            changed = Path(path).stat().st_mtime_ns
        except OSError:
            changed = 0
        return _of(path, changed)

    @classmethod
    def complete(cls, path: str, environment: Mapping[str, str]) -> Redaction | None:
        """The same with the supervisor's `environment`; None where some declared value can't be known."""
        try:
            services = load(Path(path), environment).private.values()
        except (ConfigurationError, OSError):
            return None
        if any(not _is_known(it, environment) for one in services for it in one.environment.values()):
            return None
        return cls(secrets_in(environment) | _declared(services, environment))

    def text(self, text: str) -> str:
        """The same text without secrets; the number of lines stays."""
        text = PRIVATE_KEY.sub(lambda match: MASK + "\n" * match.group().count("\n"), text)
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        return "\n".join(masked_text(line) for line in FORMS.sub(MASK, text).split("\n"))


@functools.lru_cache(maxsize=4)
def _of(path: str, _: int) -> Redaction:
    secrets = secrets_in(os.environ)
    with contextlib.suppress(ConfigurationError, OSError):
        secrets |= _declared(load(Path(path)).private.values(), os.environ)
    return Redaction(secrets)


def _declared(services: Iterable[Private], environment: Mapping[str, str]) -> set[str]:
    """What the environments and the commands of services hold."""
    secrets: set[str] = set()
    for private in services:
        declared = secrets_of(private.environment, environment)
        secrets |= declared | set(_hidden(private.service.command, masked(private.service.command, declared)))
    return secrets


def _is_known(template: Template, environment: Mapping[str, str]) -> bool:
    with contextlib.suppress(KeyError):
        template.filled(lambda word: f"{{{word}}}", environment.__getitem__)
        return True
    return False


def _hidden(arguments: Sequence[str], shown: Sequence[str]) -> Iterator[str]:
    """The parts of a command that are masked where it is shown."""
    for argument, visible in zip(arguments, shown, strict=True):
        if MASK in visible:
            pattern = "(.+)".join(re.escape(part) for part in visible.split(MASK))
            match = re.fullmatch(pattern, argument, re.DOTALL)
            yield from match.groups() if match else ()
