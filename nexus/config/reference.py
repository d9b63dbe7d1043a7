"""The reference of nexus.toml, made from what reads it."""

from __future__ import annotations

from collections.abc import Iterator

from nexus.config.keys import PLACEHOLDERS, TABLES, Keys

HEAD = """\
# nexus.toml

*Made from `nexus/config/keys.py` by `docs/generate.py`: change it there.*

`nexus up` reads the nexus.toml of the present folder or of the nearest one above it. A file that can't be used gets
one error that names file, line and key, and changes nothing.

```toml
[nexus]
http = "auto"

[services.database]
command = "postgres -D {data} -p {port}"
port = "auto"
health = { postgres = true, interval = "5s" }

[services.web]
command = "python app.py"
port = "auto"
depends_on = ["database"]
health = { http = "/health" }
environment = { DATABASE_URL = "{services.database.url}" }
restart = { delays = ["1s", "2s", "4s"], then = "alert and stop dependents" }
```

A service is named with small letters, digits, `-` and `_`.
Durations are written `"250ms"`, `"5s"`, `"2m"`, `"1h 30m"`, `"1d"`, or as a number of seconds.
"""

TAIL = """\
## Environment

A run gets the environment of Nexus without `NEXUS_*`, then `PORT`, then what `env_file` and `environment` declare, then
`NEXUS_SERVICE`, `NEXUS_INSTANCE`, `NEXUS_HOME`, and `NEXUS_SOCKET` and `NEXUS_URL` where Nexus answers.
In a declared value `${NAME}` comes from the environment of Nexus or from an `env_file`, `${NAME:-default}` has a
default, and `$${NAME}` stays `${NAME}`. In an `env_file`, single quotes keep a value as it stands.

## Secrets

The event log knows environment variables by name only. In commands and checks it shows `•••` for what follows an option
or variable whose name tells of a password, token, key or the like, for passwords in URLs, and wherever the value of
such a variable appears (values of fewer than four characters: only where they are the whole argument).
"""


def reference() -> str:
    """The whole page in Markdown."""
    tables = "\n".join("\n".join(_table(table)) for table in TABLES)
    placeholders = "\n".join(f"| `{{{name}}}` | {meaning} |" for name, meaning in PLACEHOLDERS)
    return (
        f"{HEAD}\n{tables}\n## Placeholders\n\n"
        "They are filled in in `command`, `directory`, `health` and `environment`. `{{name}}` stays `{name}`; every\n"
        "other brace is left alone.\n\n"
        f"| placeholder | value |\n|---|---|\n{placeholders}\n\n{TAIL}"
    )


def _table(table: Keys) -> Iterator[str]:
    yield f"## {table.title}\n"
    yield "| key | takes | without it | meaning | example |\n|---|---|---|---|---|"
    for key in table.keys:
        cells = (f"`{key.name}`", key.form, key.default, key.meaning, f"`{key.example}`")
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    if table.not_yet:
        words = ", ".join(f"`{name}`" for name in table.not_yet)
        yield f"\nNot supported yet, and refused: {words}."
    yield ""
