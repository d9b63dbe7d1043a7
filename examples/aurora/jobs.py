"""The jobs of the Synthesis Engine: one process each, watched on its port, kept as a task in Aurora Core."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from common import Json, Problem, call

PROGRAM = Path(__file__).with_name("job.py")
AT_ONCE_MAX = 2
LINE_BYTES_MAX = 1_000_000
RETRY_SECONDS = 0.5


class Job:
    """A job that has not ended yet, and its steps so far."""

    def __init__(self, number: int, specification: Json) -> None:
        self.number, self.specification = number, specification
        self.steps: list[Json] = []
        self.changed = asyncio.Condition()
        self.task: asyncio.Task[None] | None = None

    async def add(self, step: Json) -> None:
        """Tell everybody who follows the progress."""
        async with self.changed:
            self.steps.append(step)
            self.changed.notify_all()

    async def progress(self) -> AsyncIterator[Json]:
        """Each step as it comes, the last one with the outcome as {state, result}."""
        told = 0
        while not (told and "state" in self.steps[told - 1]):
            async with self.changed:
                while len(self.steps) == told:
                    await self.changed.wait()
            yield self.steps[told]
            told += 1


class Jobs:
    """Every job that has not ended, by the number of its task; `core` leads to Aurora Core."""

    def __init__(self, core: httpx.AsyncClient) -> None:
        self.core = core
        self.running: dict[int, Job] = {}
        self._slots = asyncio.Semaphore(AT_ONCE_MAX)

    def begin(self, number: int, specification: Json) -> None:
        """Run a job as soon as there is a slot for it."""
        job = self.running[number] = Job(number, specification)
        job.task = asyncio.create_task(self._live(job))

    async def resume(self) -> None:
        """Begin again what an earlier life of this service left unfinished."""
        found = await self._insist("GET", "/api/tasks?kind=synthesis&state=open,running")
        for task in found["tasks"]:
            if task["id"] not in self.running:
                self.begin(task["id"], task["input"])

    async def close(self) -> None:
        """End the processes of unfinished jobs and leave these to the next life."""
        tasks = [job.task for job in self.running.values() if job.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _live(self, job: Job) -> None:
        async with self._slots:
            outcome = await self._run(job)
        await self._record(job, outcome)
        await job.add(outcome)
        del self.running[job.number]

    async def _run(self, job: Job) -> Json:
        """Follow a job's process to its outcome, which is a failure when the process ends without one."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(sys.executable, PROGRAM, stdin=pipe, stdout=pipe)
        outcome = None
        try:
            outcome = await self._follow(job, process)
        except (OSError, ValueError) as error:
            print(f"job {job.number}: {error}", file=sys.stderr, flush=True)
        finally:
            if outcome is None:
                if process.returncode is None:
                    os.kill(process.pid, signal.SIGTERM)  # process.terminate() could take its exit code from asyncio
                await process.wait()
        return outcome or {
            "state": "failed",
            "result": {"problem": f"its process ended with code {process.returncode}"},
        }

    async def _follow(self, job: Job, process: asyncio.subprocess.Process) -> Json | None:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(job.specification).encode())
        process.stdin.close()
        port = int(await process.stdout.readline() or 0)
        await self._record(job, {"state": "running", "result": {"port": port}})
        await job.add({"step": "started", "port": port})
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=LINE_BYTES_MAX)
        with contextlib.closing(writer):
            async for line in reader:
                step: Json = json.loads(line)
                if "state" in step:
                    return step
                await job.add(step)
        return None

    async def _record(self, job: Job, change: Json) -> None:
        """Have Aurora Core keep a change; a task that was ended by somebody else stays as it is."""
        with contextlib.suppress(Problem):
            await self._insist("PATCH", f"/api/tasks/{job.number}", change)

    async def _insist(self, method: str, path: str, body: Json | None = None) -> Json:
        """What Aurora Core answers, however long it is away; raises the Problem that it answers with."""
        while True:
            try:
                found: Json = await call(self.core, "aurora-core", method, path, body)
            except Problem as problem:
                if problem.document["status"] < 500:
                    raise
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return found
