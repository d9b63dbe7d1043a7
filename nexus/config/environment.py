"""Environments: what is declared of one, and what a run gets."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from nexus.config.errors import ConfigurationError, kind_of
from nexus.config.masking import secrets_in
from nexus.config.reader import Reader
from nexus.config.templates import Template

OWN_PREFIX = "NEXUS_"
"""Variables of this prefix are Nexus's own: services get fresh ones, and none of its secrets."""

NOT_INHERITED = frozenset(
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"]
)
"""What systemd says to Nexus alone: a service that answered for it would be believed."""

SCALARS = (str, int, float, bool)


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """What services get of the supervisor's own environment."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(OWN_PREFIX) and name not in NOT_INHERITED
    }


def read_environment(reader: Reader, folder: Path) -> dict[str, Template]:
    """What a service's `env_file` and `environment` declare, the latter winning; sorted by name."""
    declared: dict[str, Template] = {}
    for place, name in enumerate(reader.texts("env_file")):
        with _blaming(reader, place, name):
            declared |= read_env_file(folder / name)
    if "environment" in reader and "env" in reader:
        raise reader.wrong(
            "env", expected="environment or env", found="both", next_step="Move all variables to environment."
        )  # fmt: skip
    key = "env" if "env" in reader else "environment"
    for name, value in reader.subtable(key).items():
        declared[name] = _entry(reader, key, name, value)
    return dict(sorted(declared.items()))


@contextlib.contextmanager
def _blaming(reader: Reader, place: int, name: str) -> Iterator[None]:
    """A file that can't be read is the fault of the line that names it."""
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        found = error.strerror or str(error) if isinstance(error, OSError) else "bytes that are not UTF-8"
        raise reader.wrong(
            "env_file", place, expected="a readable file", found=f"{name}: {found[:1].lower()}{found[1:]}",
            next_step="Create it, or remove it from env_file; it is looked for beside nexus.toml.",
        ) from error  # fmt: skip


def _entry(reader: Reader, key: str, name: str, value: object) -> Template:
    if not name or "=" in name or "\0" in name:
        raise reader.wrong(
            key, name, expected="the name of a variable", found="another name", next_step="Leave = and blanks out."
        )
    if name.startswith(OWN_PREFIX):
        raise reader.wrong(key, name, expected="a name that is free", found=name, next_step=_reserved())
    if not isinstance(value, SCALARS) or "\0" in str(value):
        raise reader.wrong(
            key, name, expected="a string, a number, or true or false", found=kind_of(value),
            next_step=f'For example: {name} = "value"',
        )  # fmt: skip
    template = Template(str(value).lower() if isinstance(value, bool) else str(value), variables=True)
    for text in template.unreadable_variables():
        raise reader.wrong(
            key, name, expected="${NAME} or ${NAME:-default}", found=f"${{{text}}}",
            next_step=f"Write $${{{text}}} where it is meant literally.",
        )  # fmt: skip
    return template


def _reserved() -> str:
    return f"Choose another one: {OWN_PREFIX}* is set by Nexus itself."


def read_env_file(file: Path) -> dict[str, Template]:
    """The variables of an `env_file`; what stands in single quotes is taken as it stands.

    Raises ConfigurationError for a line that is not `NAME=value`, OSError where the file can't be read.
    """
    variables: dict[str, Template] = {}
    for binding in parse_stream(io.StringIO(file.read_text("utf-8-sig"))):
        if binding.error or (binding.key or "").startswith(OWN_PREFIX):
            raise _bad_line(file, binding)
        if binding.key is not None and binding.value is not None:
            plain = binding.original.string.partition("=")[2].lstrip().startswith("'")
            variables[binding.key] = Template(binding.value, placeholders=False, variables=not plain)
    return variables


def _bad_line(file: Path, binding: Binding) -> ConfigurationError:
    text = binding.original.string
    line = binding.original.line + len(text) - len(text.lstrip("\r\n"))
    if binding.error:
        return ConfigurationError(file, "NAME=value", "something else", "Mend it, or begin it with #.", line=line)
    return ConfigurationError(file, "a name that is free", str(binding.key), _reserved(), line=line)


def secrets_of(declared: Mapping[str, Template], environment: Mapping[str, str]) -> frozenset[str]:
    """The declared values that must not be shown, as written and as they are with `environment` filled in."""
    written = {name: template.text for name, template in declared.items()}
    full = {}
    for name, template in declared.items():
        with contextlib.suppress(KeyError):
            full[name] = template.filled(lambda word: f"{{{word}}}", environment.__getitem__)
    return secrets_in(written) | secrets_in(full)
