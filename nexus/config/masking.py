"""Keeps secrets out of the log: what looks like one is shown as •••."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

MASK = "•••"
SHORTEST_SEARCHED = 4
"""Shorter values are masked only where they are a whole argument: a 1 is no secret, and is everywhere."""

TELLING = re.compile(
    r"password|passwd|passphrase|secret|token|credential|api[-_.]?key|private[-_.]?key|access[-_.]?key", re.IGNORECASE
)
TELLING_WORDS = frozenset(["pass", "pwd", "key", "auth", "authorization", "cookie", "salt", "dsn", "pat"])
TELLING_ENDS = ("pass", "pwd", "key", "auth")
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
OPTION = re.compile(r"--?[A-Za-z][\w.-]*")
LEADING_NAME = re.compile(r"[-\w.]*\w\s*[=:]\s*")
NAMED = re.compile(r"""(?P<name>[\w.-]*\w)(?P<gap>["']?\s*[=:]\s*)""")
OPTION_THEN = re.compile(r"(?<!\S)(?P<name>--?[A-Za-z][\w.-]*)(?P<gap>\s+)")
SHELL_WORD = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'\\]|["'\\])+""", re.DOTALL)
AUTHORIZATION = re.compile(r"\b(authorization\s*[:=]\s*|bearer\s+).*", re.IGNORECASE | re.DOTALL)
USER_INFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<user>[^:/\s@]*)(?::(?P<password>\S*))?@")
LOGIN_OPTIONS = ("-u", "--user", "--proxy-user")


def looks_secret(name: str) -> bool:
    """Whether an option, a variable or a field of this name is likely to hold a secret."""
    bare = name.strip("-\"' ")
    if bare.lower().startswith("no-"):
        return False
    words = [word.lower() for word in WORDS.findall(bare)]
    return bool(TELLING.search(bare)) or any(word in TELLING_WORDS or word.endswith(TELLING_ENDS) for word in words)


def secrets_in(environment: Mapping[str, str]) -> frozenset[str]:
    """The values that must not be shown: those with a telling name, and the passwords of URLs."""
    named = {value for name, value in environment.items() if value and looks_secret(name)}
    in_urls = {
        match["password"]
        for value in environment.values()
        for match in USER_INFO.finditer(value)
        if match["password"]
    }  # fmt: skip
    return frozenset(named | in_urls)


def masked(arguments: Sequence[str], secrets: Collection[str] = ()) -> tuple[str, ...]:
    """The arguments of a command with everything that looks secret, or is in `secrets`, masked."""
    shown = []
    for before, argument in zip(("", *arguments), arguments, strict=False):
        if OPTION.fullmatch(before) and looks_secret(before):
            shown.append(MASK)
        elif before in LOGIN_OPTIONS and ":" in argument:
            shown.append(f"{argument.partition(':')[0]}:{MASK}")
        else:
            shown.append(masked_text(argument, secrets))
    return tuple(shown)


def masked_text(text: str, secrets: Collection[str] = ()) -> str:
    """One argument, masked from the secret on where it is `NAME=secret`, and inside where it is more than that."""
    if text in secrets:
        return MASK
    leading = LEADING_NAME.match(text)
    if leading and looks_secret(leading.group().rstrip("=: \t\n")):
        return leading.group() + MASK
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST_SEARCHED:
            text = text.replace(secret, MASK)
    text = USER_INFO.sub(_without_password, text)
    text = AUTHORIZATION.sub(lambda match: match[1] + MASK, text)
    return _masked_after(OPTION_THEN, _masked_after(NAMED, text))


def _masked_after(pattern: re.Pattern[str], text: str) -> str:
    """The text without the word that follows a telling name."""
    pieces, end = [], 0
    for match in pattern.finditer(text):
        value = SHELL_WORD.match(text, match.end())
        if match.start() >= end and value and looks_secret(match["name"]):
            pieces += [text[end : match.end()], MASK]
            end = value.end()
    return "".join([*pieces, text[end:]])


def _without_password(match: re.Match[str]) -> str:
    if match["password"] is not None:
        return f"{match['scheme']}://{match['user']}:{MASK}@"
    if match["scheme"].lower() in ("http", "https"):
        return f"{match['scheme']}://{MASK}@"
    return match.group()
