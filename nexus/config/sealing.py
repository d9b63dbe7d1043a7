"""Whether hidden values have changed: digests that only the home they were made in can make."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

import msgspec

from events.catalog import Service
from nexus.config.files import Configuration
from nexus.config.services import Private

KEY_NAME = "seal"
KEY_BYTES = 32
DIGEST_BYTES = 8


def sealed(configuration: Configuration, home: Path) -> dict[str, Service]:
    """The declared services, each with a digest of what the log may not know; the key stays in the home."""
    key = _key(home / KEY_NAME)
    return {
        name: msgspec.structs.replace(service, digest=_digest(key, configuration.private[name], service))
        for name, service in configuration.declared.items()
    }


def _digest(key: bytes, private: Private, public: Service) -> str:
    hidden = [
        real if real != shown else None
        for real, shown in (
            (private.service.command, public.command),
            (private.service.directory, public.directory),
        )
    ]
    values = {name: tuple(template) for name, template in sorted(private.environment.items())}
    data = msgspec.json.encode([hidden, values])
    return hashlib.blake2b(data, key=key, digest_size=DIGEST_BYTES).hexdigest()


def _key(file: Path) -> bytes:
    """The key of this home, made where it is missing: nobody else may read it."""
    try:
        key = file.read_bytes()
    except FileNotFoundError:
        key = b""
    if len(key) != KEY_BYTES:
        key = secrets.token_bytes(KEY_BYTES)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
            output.write(key)
    return key
