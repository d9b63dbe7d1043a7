"""Handing a token to a page: `nexus open` asks for a code, the page trades it in once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from nexus.http.operation import Asked, Nothing
from nexus.http.problems import Problem
from nexus.http.security import Caller
from nexus.http.tokens import CODE_SECONDS, Codes, Role


class CodeWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For whom: `name` begins the name of the token, `role` is what it may do."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,30}$")] = "page"
    role: Role = "operate"


class CodeMade(msgspec.Struct, frozen=True):
    """A code that is good once, for so many seconds."""

    code: str
    lasts_seconds: float


class CodeGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The code that is traded in."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class Session(msgspec.Struct, frozen=True):
    """A token for a page; it can be revoked by its name."""

    token: str
    name: str
    role: Role
    expires_at: str | None


class Self(msgspec.Struct, frozen=True):
    """Who asks, as every command's event names them."""

    name: str
    role: Role


class Sessions:
    """The operations about tokens."""

    def __init__(self, codes: Codes) -> None:
        self.codes = codes

    async def make_code(self, _: Caller, asked: Asked[Nothing, Nothing]) -> CodeMade:
        """A one-time code."""
        wanted = asked.body
        assert isinstance(wanted, CodeWanted)
        return CodeMade(self.codes.make(wanted.name, wanted.role), CODE_SECONDS)

    async def redeem(self, _: Caller, asked: Asked[Nothing, Nothing]) -> Session:
        """A token for a code; raises Problem 404."""
        given = asked.body
        assert isinstance(given, CodeGiven)
        issued = await asyncio.to_thread(self.codes.redeem, given.code)
        if issued is None:
            raise Problem(
                404, "the code", f"one that is new and at most {CODE_SECONDS:g} s old", "one that is not",
                "Run `nexus open` again.",
            )  # fmt: skip
        expires_at = datetime.fromtimestamp(issued.expires_at, UTC).isoformat() if issued.expires_at else None
        return Session(issued.secret, issued.name, issued.role, expires_at)

    async def who(self, caller: Caller, _: Asked[Nothing, Nothing]) -> Self:
        """Who asks."""
        assert caller.role is not None, "an operation that needs a role is asked by somebody who has one"
        return Self(caller.name, caller.role)
