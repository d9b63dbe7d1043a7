"""Tokens over the web: a page trades its one-time code in, an administrator lists, adds and revokes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from nexus.http.operation import Asked, Nothing
from nexus.http.problems import Problem
from nexus.http.security import Caller
from nexus.http.shown import Self
from nexus.http.tokens import CODE_SECONDS, Codes, Issued, NameTakenError, Role, Tokens

TokenName = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,40}$")]
LASTS_SECONDS_MAX = 366 * 86_400


class OfToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token, by name."""

    name: TokenName


class CodeGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The code that is traded in."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class TokenWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new token; without `lasts_seconds` it is good until it is revoked."""

    name: TokenName
    role: Role
    lasts_seconds: Annotated[float, msgspec.Meta(ge=1, le=LASTS_SECONDS_MAX)] | None = None


class TokenIssued(msgspec.Struct, frozen=True):
    """A new token; `token` is shown this once."""

    token: str
    name: str
    role: Role
    expires_at: str | None


class TokenView(msgspec.Struct, frozen=True):
    """A token without its secret."""

    name: str
    role: Role
    created_at: str
    expires_at: str | None


class TokensView(msgspec.Struct, frozen=True):
    """Every token that is valid."""

    tokens: list[TokenView]


class Revoked(msgspec.Struct, frozen=True):
    """The token that is not valid any more."""

    name: str


class Sessions:
    """The operations about tokens."""

    def __init__(self, tokens: Tokens, codes: Codes) -> None:
        self.tokens, self.codes = tokens, codes

    async def redeem(self, _: Caller, asked: Asked[Nothing, Nothing]) -> TokenIssued:
        """A token for a code; raises Problem 404."""
        given = asked.body
        assert isinstance(given, CodeGiven)
        issued = await asyncio.to_thread(self.codes.redeem, given.code)
        if issued is None:
            raise Problem(
                404, "the code", f"one that is new and at most {CODE_SECONDS:g} s old", "one that is not",
                "Run `nexus open` again.",
            )  # fmt: skip
        return _issued(issued)

    async def who(self, caller: Caller, _: Asked[Nothing, Nothing]) -> Self:
        """Who asks."""
        assert caller.role is not None, "an operation that needs a role is asked by somebody who has one"
        return Self(caller.name, caller.role)

    async def list(self, _: Caller, __: Asked[Nothing, Nothing]) -> TokensView:
        """Every token."""
        return TokensView(
            [
                TokenView(it.name, it.role, _moment(it.created_at) or "", _moment(it.expires_at))
                for it in self.tokens.all()
            ]
        )

    async def add(self, _: Caller, asked: Asked[Nothing, Nothing]) -> TokenIssued:
        """A new token; raises Problem 409."""
        wanted = asked.body
        assert isinstance(wanted, TokenWanted)
        try:
            issued = await asyncio.to_thread(self.tokens.issue, wanted.name, wanted.role, wanted.lasts_seconds)
        except NameTakenError as error:
            raise Problem(409, f"the token {wanted.name!r}", "a new name", "one that is taken", str(error)) from error
        return _issued(issued)

    async def revoke(self, _: Caller, asked: Asked[OfToken, Nothing]) -> Revoked:
        """A token less; raises Problem 404."""
        name = asked.place.name
        if not await asyncio.to_thread(self.tokens.revoke, name):
            raise Problem(404, f"the token {name!r}", "a token of that name", "none", "GET /api/tokens lists them.")
        return Revoked(name)


def _issued(issued: Issued) -> TokenIssued:
    return TokenIssued(issued.secret, issued.name, issued.role, _moment(issued.expires_at))


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
