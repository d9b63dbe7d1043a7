"""Who may do what: named bearer tokens, of which only hashes are kept, and codes that become a token once."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

Role = Literal["read", "operate", "admin"]
ROLES: tuple[Role, ...] = ("read", "operate", "admin")
"""Each role may do what those before it may."""

PREFIX = "nxs_"
DEFAULT = "default"
LOCK_SECONDS = 5.0
CODE_SECONDS = 60.0
SESSION_SECONDS = 12 * 3600.0
CODES_MAX = 20


class Token(msgspec.Struct, frozen=True):
    """A token as it is kept; `expires_at` is None for one that lasts. Moments are seconds since 1970 UTC."""

    name: str
    role: Role
    hash: str
    created_at: float
    expires_at: float | None = None


class Issued(msgspec.Struct, frozen=True):
    """A new token; `secret` is shown this once."""

    name: str
    role: Role
    secret: str
    expires_at: float | None


class NameTakenError(ValueError):
    """There is a token of this name already."""


def allows(role: Role, needed: Role) -> bool:
    """Whether a holder of `role` may do what `needed` is asked for."""
    return ROLES.index(role) >= ROLES.index(needed)


def hash_of(secret: str) -> str:
    """The form in which a secret is kept: it has 256 random bits, so that one SHA-256 is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Tokens:
    """The tokens of one home: hashes in `tokens.json`, the default one of the operator in `token`, both 0600."""

    def __init__(self, home: Path, now: Callable[[], float] = time.time) -> None:
        self.path, self.default_path, self.now = home / "tokens.json", home / "token", now
        self._read_at: tuple[int, int] | None = None
        self._tokens: tuple[Token, ...] = ()

    def all(self) -> tuple[Token, ...]:
        """The tokens that are valid now, by name."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self._tokens, self._read_at = (), None
        else:
            if self._read_at != (found.st_mtime_ns, found.st_ino):
                self._tokens = tuple(msgspec.json.decode(self.path.read_bytes(), type=list[Token]))
                self._read_at = (found.st_mtime_ns, found.st_ino)
        return tuple(token for token in self._tokens if token.expires_at is None or token.expires_at > self.now())

    def find(self, secret: str) -> Token | None:
        """The token with this secret; every one is compared in constant time."""
        hashed, found = hash_of(secret), None
        for token in self.all():
            if hmac.compare_digest(token.hash, hashed):
                found = token
        return found

    def issue(self, name: str, role: Role, lasts_seconds: float | None = None) -> Issued:
        """A new token; raises NameTakenError."""
        with self._changing() as tokens:
            return self._issue(tokens, name, role, lasts_seconds)

    def _issue(self, tokens: list[Token], name: str, role: Role, lasts_seconds: float | None) -> Issued:
        if any(token.name == name for token in tokens):
            raise NameTakenError(f"there is a token named {name!r} already; revoke it first, or take another name")
        secret = PREFIX + secrets.token_urlsafe(32)
        expires_at = None if lasts_seconds is None else self.now() + lasts_seconds
        tokens.append(Token(name, role, hash_of(secret), self.now(), expires_at))
        return Issued(name, role, secret, expires_at)

    def revoke(self, name: str) -> bool:
        """Whether there was a token of this name; from now on there is none."""
        with self._changing() as tokens:
            kept = [token for token in tokens if token.name != name]
            revoked = len(kept) < len(tokens)
            tokens[:] = kept
        if name == DEFAULT:
            self.default_path.unlink(missing_ok=True)
        return revoked

    def default(self) -> str:
        """The operator's own admin token, made where there is none; one that others could read is replaced."""
        return self._known_default() or self._new_default()

    def _known_default(self) -> str | None:
        with contextlib.suppress(FileNotFoundError):
            secret = self.default_path.read_text().strip()
            if not _is_open_to_others(self.default_path) and self.find(secret):
                return secret
        return None

    def _new_default(self) -> str:
        with self._changing() as tokens:
            secret = self._known_default()
            if secret is None:
                tokens[:] = [token for token in tokens if token.name != DEFAULT]
                secret = self._issue(tokens, DEFAULT, "admin", None).secret
                _write_private(self.default_path, secret.encode() + b"\n")
        return secret

    @contextlib.contextmanager
    def _changing(self) -> Iterator[list[Token]]:
        """The tokens to change; two processes take turns."""
        lock = self.path.with_suffix(".lock")
        _take(lock)
        try:
            tokens = list(self.all())
            yield tokens
            _write_private(self.path, msgspec.json.encode(tokens))
        finally:
            lock.unlink(missing_ok=True)


def _take(lock: Path) -> None:
    """Make the lock file; one that is older than any change takes was left by a crash."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            return
        except FileExistsError:
            if time.monotonic() > deadline:
                lock.unlink(missing_ok=True)
            time.sleep(0.01)


def _is_open_to_others(path: Path) -> bool:
    return os.name == "posix" and bool(path.stat().st_mode & 0o077)


def _write_private(path: Path, content: bytes) -> None:
    """Replace a file that only its owner can read; it never exists with other rights."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(draft, path)


class Codes:
    """One-time codes by which `nexus open` hands a token to a page: kept in memory, good once and for a minute."""

    def __init__(self, tokens: Tokens, now: Callable[[], float] = time.time) -> None:
        self.tokens, self.now = tokens, now
        self._codes: dict[str, tuple[str, Role, float]] = {}

    def make(self, name: str, role: Role) -> str:
        """A code for a token of this name and role; the oldest of too many is forgotten."""
        code = secrets.token_urlsafe(24)
        self._codes[hash_of(code)] = (name, role, self.now() + CODE_SECONDS)
        while len(self._codes) > CODES_MAX:
            self._codes.pop(next(iter(self._codes)))
        return code

    def redeem(self, code: str) -> Issued | None:
        """The token that the code stands for, None where it was used, is too old or never was."""
        name, role, expires_at = self._codes.pop(hash_of(code), ("", "read", 0.0))
        if expires_at <= self.now():
            return None
        return self.tokens.issue(f"{name}-{secrets.token_hex(4)}", role, SESSION_SECONDS)
