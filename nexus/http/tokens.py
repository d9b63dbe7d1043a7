"""Who may do what: named bearer tokens, of which only hashes are kept, and codes that become a token once."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from nexus.http.private import PrivateList, is_open_to_others, write_private

Role = Literal["read", "operate", "admin"]
ROLES: tuple[Role, ...] = ("read", "operate", "admin")
"""Each role may do what those before it may."""

PREFIX = "nxs_"
DEFAULT = "default"
CODE_SECONDS = 60.0
SESSION_SECONDS = 12 * 3600.0


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

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a token named {name!r} already; revoke it first, or take another name")


def allows(role: Role, needed: Role) -> bool:
    """Whether a holder of `role` may do what `needed` is asked for."""
    return ROLES.index(role) >= ROLES.index(needed)


def hash_of(secret: str) -> str:
    """The form in which a secret is kept: it has 192 random bits or more, so that one SHA-256 is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Tokens:
    """The tokens of one home: hashes in `tokens.json`, the default one of the operator in `token`."""

    def __init__(self, home: Path, now: Callable[[], float] = time.time) -> None:
        self.default_path, self.now = home / "token", now
        self._kept = PrivateList(home / "tokens.json", Token)

    def all(self) -> list[Token]:
        """The tokens that are valid now."""
        return self._valid(self._kept.read())

    def _valid(self, tokens: tuple[Token, ...] | list[Token]) -> list[Token]:
        return [token for token in tokens if token.expires_at is None or token.expires_at > self.now()]

    def find(self, secret: str) -> Token | None:
        """The token with this secret; every one is compared in constant time."""
        hashed, found = hash_of(secret), None
        for token in self.all():
            if hmac.compare_digest(token.hash, hashed):
                found = token
        return found

    def issue(self, name: str, role: Role, lasts_seconds: float | None = None) -> Issued:
        """A new token; raises NameTakenError."""
        with self._kept.changing() as tokens:
            tokens[:] = self._valid(tokens)
            return self._issue(tokens, name, role, lasts_seconds)

    def _issue(self, tokens: list[Token], name: str, role: Role, lasts_seconds: float | None) -> Issued:
        if any(token.name == name for token in tokens):
            raise NameTakenError(name)
        secret = PREFIX + secrets.token_urlsafe(32)
        expires_at = None if lasts_seconds is None else self.now() + lasts_seconds
        tokens.append(Token(name, role, hash_of(secret), self.now(), expires_at))
        return Issued(name, role, secret, expires_at)

    def revoke(self, name: str) -> bool:
        """Whether there was a token of this name; from now on there is none."""
        with self._kept.changing() as tokens:
            kept = [token for token in self._valid(tokens) if token.name != name]
            revoked = len(kept) < len(self._valid(tokens))
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
            if not is_open_to_others(self.default_path) and self.find(secret):
                return secret
        return None

    def _new_default(self) -> str:
        with self._kept.changing() as tokens:
            secret = self._known_default()
            if secret is None:
                tokens[:] = [token for token in self._valid(tokens) if token.name != DEFAULT]
                secret = self._issue(tokens, DEFAULT, "admin", None).secret
                write_private(self.default_path, secret.encode() + b"\n")
        return secret


class Code(msgspec.Struct, frozen=True):
    """A code as it is kept: what token it stands for, and until when (seconds since 1970 UTC)."""

    hash: str
    name: str
    role: Role
    expires_at: float


class Codes:
    """One-time codes by which `nexus open` hands a token to a page; only hashes of them are kept, in `codes.json`."""

    def __init__(self, home: Path, now: Callable[[], float] = time.time) -> None:
        self.tokens, self.now = Tokens(home, now), now
        self._kept = PrivateList(home / "codes.json", Code)

    def make(self, name: str = "page", role: Role = "operate") -> str:
        """A code for a token of this role, whose name begins with `name`; it is good once and for a minute."""
        code = secrets.token_urlsafe(24)
        with self._kept.changing() as codes:
            codes[:] = [it for it in codes if it.expires_at > self.now()]
            codes.append(Code(hash_of(code), name, role, self.now() + CODE_SECONDS))
        return code

    def redeem(self, code: str) -> Issued | None:
        """The token that the code stands for, None where it was used, is too old or never was."""
        hashed, found = hash_of(code), None
        with self._kept.changing() as codes:
            for it in list(codes):
                if hmac.compare_digest(it.hash, hashed):
                    codes.remove(it)
                    found = it
        if found is None or found.expires_at <= self.now():
            return None
        return self.tokens.issue(f"{found.name}-{secrets.token_hex(4)}", found.role, SESSION_SECONDS)
