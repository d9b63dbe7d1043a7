"""Synthesis Engine: generates code from specifications, each job a process with a port of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from common import Json, Problem, application, call, read_object, serve
from generator import read_specification
from jobs import Jobs

core = httpx.AsyncClient(base_url=os.environ["CORE_URL"], timeout=3, trust_env=False)
jobs = Jobs(core)


async def create(request: Request) -> Response:
    """POST /api/synthesis/jobs {name, fields: {FIELD: TYPE}, language} → 202 and the job."""
    specification = await read_object(request)
    try:
        wanted = read_specification(specification)
    except ValueError as error:
        raise Problem(422, "Bad specification", f"{error}.") from error
    title = f"Generate {wanted.language} for {wanted.name}"
    task = await call(
        core, "aurora-core", "POST", "/api/tasks", {"kind": "synthesis", "title": title, "input": specification}
    )
    jobs.begin(task["id"], specification)
    return JSONResponse(shown(task), 202, {"Location": f"/api/synthesis/jobs/{task['id']}"})


async def find(_: Request) -> Response:
    """GET /api/synthesis/jobs → the newest first."""
    found = await call(core, "aurora-core", "GET", "/api/tasks?kind=synthesis")
    return JSONResponse({"jobs": [shown(task) for task in found["tasks"]]})


async def show(request: Request) -> Response:
    """GET /api/synthesis/jobs/{id} → its state, its port while it runs, its result."""
    return JSONResponse(shown(await task_of(request)))


async def progress(request: Request) -> Response:
    """GET /api/synthesis/jobs/{id}/progress → one JSON object a line as it happens, the outcome last."""
    job = jobs.running.get(request.path_params["id"])
    task = shown(await task_of(request)) if job is None else {}

    async def lines() -> AsyncIterator[str]:
        if job is None:
            yield json.dumps({"state": task["state"], "result": task["result"]}) + "\n"
            return
        async for step in job.progress():
            yield json.dumps(step) + "\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


async def health(_: Request) -> Response:
    """GET /api/synthesis/health → 200; without Aurora Core it is degraded: jobs go on, new ones are refused."""
    said = "ok"
    try:
        await call(core, "aurora-core", "GET", "/api/health")
    except Problem as problem:
        said = str(problem)
    status = "ok" if said == "ok" else "degraded"
    return JSONResponse({"status": status, "aurora-core": said, "jobs_running": len(jobs.running)})


async def task_of(request: Request) -> Json:
    """The task of a job; raises Problem 404."""
    number = request.path_params["id"]
    task: Json = await call(core, "aurora-core", "GET", f"/api/tasks/{number}")
    if task["kind"] != "synthesis":
        raise Problem(404, "No such job", f"Task {number} is no synthesis job.")
    return task


def shown(task: Json) -> Json:
    """A job as it is answered."""
    result = task["result"] or {}
    return {
        "id": task["id"],
        "state": task["state"],
        "specification": task["input"],
        "port": result.get("port"),
        "result": result if task["state"] in ("done", "failed") else None,
    }


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Take up unfinished jobs; at the end leave the running ones to the next life."""
    resuming = asyncio.create_task(jobs.resume())
    yield
    resuming.cancel()
    await jobs.close()
    await core.aclose()


app = application(
    [
        Route("/api/synthesis/jobs", create, methods=["POST"]),
        Route("/api/synthesis/jobs", find),
        Route("/api/synthesis/jobs/{id:int}", show),
        Route("/api/synthesis/jobs/{id:int}/progress", progress),
        Route("/api/synthesis/health", health),
    ],
    lifespan,
)

if __name__ == "__main__":
    serve(app)
