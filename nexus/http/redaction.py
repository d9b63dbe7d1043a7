"""Keeps secrets out of what leaves Nexus: the known values of the configuration, and what looks like one."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Collection
from pathlib import Path

from nexus.config.masking import MASK, SHORTEST_SEARCHED, masked_text, secrets_in

TOKEN = re.compile(r"\bnxs_[A-Za-z0-9_-]{20,}")
KNOWN_FORMS = re.compile(
    r"\b(?:gh[pousr]_\w{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}"
    r"|sk-[A-Za-z0-9_-]{20,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,})"
)
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


class Redaction:
    """Masks `secrets`, and what has the form of one."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self.secrets = sorted((it for it in secrets if len(it) >= SHORTEST_SEARCHED), key=len, reverse=True)

    @classmethod
    def of(cls, home: Path) -> Redaction:
        """The redaction for a home, with the secret values of its configuration and of this process."""
        return _of(home, _stamp(home))

    def text(self, text: str) -> str:
        """The same text without secrets; the number of lines stays."""
        text = PRIVATE_KEY.sub(lambda match: MASK + "\n" * match.group().count("\n"), text)
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        for form in (TOKEN, KNOWN_FORMS):
            text = form.sub(MASK, text)
        return "\n".join(masked_text(line) for line in text.split("\n"))


def _stamp(home: Path) -> float:
    try:
        return home.stat().st_mtime
    except OSError:
        return 0.0


@functools.lru_cache(maxsize=4)
def _of(_: Path, __: float) -> Redaction:
    return Redaction(secrets_in(os.environ))
