"""Aurora Core: keeps the tasks of everybody in PostgreSQL, finds them again, and sees that they end only once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator

from psycopg.types.json import Json as AsJson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from common import Json, Problem, application, read_object, serve
from connection import Connection, Database

STATES_BEFORE = {
    "running": ["open", "running"],
    "done": ["open", "running"],
    "failed": ["open", "running"],
    "cancelled": ["open", "running"],
    "open": ["failed", "cancelled"],
}
TITLE_LENGTH_MAX = 200
LISTED_MAX = 200

MIGRATIONS = (
    """
    CREATE TABLE tasks (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        kind text NOT NULL,
        title text NOT NULL,
        state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'running', 'done', 'failed', 'cancelled')),
        input json NOT NULL DEFAULT '{}',
        result json,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX tasks_by_state ON tasks (kind, state, id)",
)


async def migrate(connection: Connection) -> None:
    """Bring the tables up to date; two instances that start together wait for each other."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('aurora-core'))")
        await connection.execute("CREATE TABLE IF NOT EXISTS migrations (number int PRIMARY KEY)")
        done = await (await connection.execute("SELECT count(*) AS count FROM migrations")).fetchone()
        for number, statement in list(enumerate(MIGRATIONS, 1))[done["count"] if done else 0 :]:
            await connection.execute(statement)
            await connection.execute("INSERT INTO migrations VALUES (%s)", [number])


database = Database(os.environ["DATABASE_URL"], migrate)


async def create(request: Request) -> Response:
    """POST /api/tasks {title, kind?, input?} → 201 and the task."""
    body = await read_object(request)
    title, kind = body.get("title"), body.get("kind", "task")
    if not isinstance(title, str) or not 0 < len(title) <= TITLE_LENGTH_MAX:
        raise Problem(
            422, "Bad task", f"title must be a text of 1 to {TITLE_LENGTH_MAX} characters, not {title!r:.40}."
        )
    if not isinstance(kind, str) or not kind:
        raise Problem(422, "Bad task", f"kind must be a text, not {kind!r:.40}.")
    rows = await database.query(
        "INSERT INTO tasks (kind, title, input) VALUES (%s, %s, %s) RETURNING *",
        [kind, title, AsJson(body.get("input", {}))],
    )
    return JSONResponse(shown(rows[0]), 201, {"Location": f"/api/tasks/{rows[0]['id']}"})


async def find(request: Request) -> Response:
    """GET /api/tasks?kind=&state=&search= → the newest tasks first; `search` looks for words in title and input."""
    wanted = request.query_params
    rows = await database.query(
        """
        SELECT * FROM tasks WHERE (%(kind)s::text IS NULL OR kind = %(kind)s)
           AND (%(state)s::text IS NULL OR state = ANY(string_to_array(%(state)s, ',')))
           AND (%(search)s::text IS NULL
                OR to_tsvector('simple', title || ' ' || input::text) @@ websearch_to_tsquery('simple', %(search)s))
         ORDER BY id DESC LIMIT %(limit)s
        """,
        {**{name: wanted.get(name) for name in ("kind", "state", "search")}, "limit": LISTED_MAX},
    )
    return JSONResponse({"tasks": [shown(row) for row in rows]})


async def show(request: Request) -> Response:
    """GET /api/tasks/{id}."""
    return JSONResponse(shown(await task(request.path_params["id"])))


async def change(request: Request) -> Response:
    """PATCH /api/tasks/{id} {state, result?}; a task that has ended stays ended, unless it is opened again."""
    number, body = request.path_params["id"], await read_object(request)
    state = body.get("state")
    if state not in STATES_BEFORE:
        raise Problem(422, "Bad state", f"state must be one of {', '.join(STATES_BEFORE)}, not {state!r:.40}.")
    rows = await database.query(
        """
        UPDATE tasks SET state = %s, result = coalesce(%s, result), updated_at = now()
         WHERE id = %s AND state = ANY(%s) RETURNING *
        """,
        [state, AsJson(body["result"]) if "result" in body else None, number, STATES_BEFORE[state]],
    )
    if not rows:
        found = (await task(number))["state"]
        raise Problem(409, "Wrong state", f"Task {number} is {found}; {state} can only follow {STATES_BEFORE[state]}.")
    return JSONResponse(shown(rows[0]))


async def health(_: Request) -> Response:
    """GET /api/health → 200 with the number of open tasks, or 503 and what PostgreSQL says."""
    rows = await database.query("SELECT count(*) AS open FROM tasks WHERE state IN ('open', 'running')")
    return JSONResponse({"status": "ok", "tasks_open": rows[0]["open"]})


async def task(number: int) -> Json:
    """One task as PostgreSQL has it; raises Problem 404."""
    rows = await database.query("SELECT * FROM tasks WHERE id = %s", [number])
    if not rows:
        raise Problem(404, "No such task", f"There is no task {number}.")
    return rows[0]


def shown(row: Json) -> Json:
    """A task as it is answered: moments in ISO 8601."""
    return {name: value.isoformat() if name.endswith("_at") else value for name, value in row.items()}


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Nothing to do at first: the connection opens with the first query, the health check's."""
    yield
    await database.close()


app = application(
    [
        Route("/api/tasks", create, methods=["POST"]),
        Route("/api/tasks", find),
        Route("/api/tasks/{id:int}", show),
        Route("/api/tasks/{id:int}", change, methods=["PATCH"]),
        Route("/api/health", health),
    ],
    lifespan,
)

if __name__ == "__main__":
    serve(app)
