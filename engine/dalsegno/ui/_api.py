"""The JSON API: what the pages show and do, for programs.

The documents are those of `dalsegno.views`, which `--json` prints too. Every error is `{"error": {"kind", "message"}}`, the name of
its class and its sentence, with `problems` for inputs that do not fit.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import Response

from dalsegno._comparison_views import ComparisonView
from dalsegno._identity import ROOT_NAME
from dalsegno.errors import DalsegnoError
from dalsegno.ui._documents import documented
from dalsegno.ui._orders import Asked
from dalsegno.ui._refusal import ErrorDocument, RefusalView, refusal_view, status_of
from dalsegno.ui._store import MOST_RUNS, Reader
from dalsegno.views import (
    ActionView,
    AttemptView,
    ChildrenView,
    CodeView,
    FamilyView,
    IoView,
    LogsView,
    PlanView,
    RunsView,
    RunView,
    TaskView,
    WhyView,
)

PREFIX = "/api/v1"

RUN = f"{PREFIX}/runs/{{name}}"
"""Where a run is."""

ONE = f"{RUN}/actions/{{action}}"
"""Where an action is."""

MOST_ACTIONS = 1000
"""So many actions are given at once at most."""

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Json(Response):
    """A document; texts are ASCII, so that whatever was recorded can be said."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes of the document."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


class Rerun(BaseModel):
    """What a rerun is to be like; what is left out is as it was recorded.

    `inputs` are those that change, as JSON. `name`, `project` and `domain` are the new run's. `force` names the actions of the recorded run that are executed
    although `recover` would take over their results. `current_code` runs the code that is now in the folder of the server.
    """

    model_config = ConfigDict(extra="forbid")

    inputs: dict[str, Any] = {}
    name: str | None = None
    project: str | None = None
    domain: str | None = None
    labels: dict[str, str] = {}
    env_vars: dict[str, str] = {}
    recover: bool = False
    force: list[str] = []
    current_code: bool = False

    def asked(self) -> Asked:
        """The same as the reader wants it."""
        return {
            "inputs": self.inputs,
            "new_name": self.name,
            "new_project": self.project,
            "new_domain": self.domain,
            "labels": self.labels,
            "env_vars": self.env_vars,
            "recover": self.recover,
            "forced": self.force,
            "current_code": self.current_code,
        }


Project = Annotated[str | None, Query(description="The project; the configured one by default.")]
Domain = Annotated[str | None, Query(description="The domain of the project.")]
Count = Annotated[int, Query(ge=1, le=MOST_ACTIONS)]


def add_api(app: FastAPI, reader: Reader) -> None:
    """Put the API on an application."""
    _add_runs(app, reader)
    _add_actions(app, reader)
    _add_reruns(app, reader)
    # Everything else below it is no page either.
    app.add_api_route("/api/{rest:path}", _nothing, methods=_METHODS, include_in_schema=False)
    app.add_exception_handler(DalsegnoError, _refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(HTTPException, _not_served)
    app.add_exception_handler(Exception, _unknown)


def _add_runs(api: FastAPI, reader: Reader) -> None:
    @api.get(f"{PREFIX}/runs", **_gives(RunsView), tags=["runs"])
    def runs(
        text: Annotated[str, Query(description="Found in the name, the task, or a label.")] = "",
        phase: str = "",
        task: Annotated[str, Query(description="A full name, or a part of one.")] = "",
        label: Annotated[str, Query(description="key=value, or a part of that.")] = "",
        since: datetime | None = None,
        until: datetime | None = None,
        project: str | None = None,
        domain: str | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST_RUNS)] = 50,
        before: Annotated[str, Query(description="The `next` of an earlier page.")] = "",
    ) -> Response:
        """Runs of every project and domain, newest first, page by page."""
        page = reader.runs(
            text=text, phase=phase, task=task, label=label, since=since, until=until,
            project=project, domain=domain, limit=limit, before=before,
        )  # fmt: skip
        return Json(page._asdict())

    @api.get(RUN, **_gives(RunView), tags=["runs"])
    def run(name: str, project: Project = None, domain: Domain = None) -> Response:
        """A run, with its fingerprint once it has ended."""
        return Json(reader.run(name, project=project, domain=domain))

    @api.get(f"{RUN}/lineage", **_gives(list[FamilyView]), tags=["runs"])
    def lineage(name: str, project: Project = None, domain: Domain = None) -> Response:
        """What a run was made from, and all that was made from that."""
        return Json(reader.lineage(name, project=project, domain=domain))

    @api.get(f"{PREFIX}/diff", **_gives(ComparisonView), tags=["runs"])
    def diff(old: str, new: str, action: str = ROOT_NAME, other_action: str = ROOT_NAME) -> Response:
        """How two runs differ, call by call, or an action of one and another one of the other; each is a name, or project/domain/name."""
        return Json(reader.diff(old, new, action=action, other_action=other_action))


def _add_actions(api: FastAPI, reader: Reader) -> None:
    @api.get(f"{RUN}/actions", **_gives(ChildrenView), tags=["actions"])
    def actions(
        name: str,
        parent: Annotated[str, Query(description="The action that called them.")] = ROOT_NAME,
        limit: Count = 200,
        after: Annotated[int, Query(description="The `next` of an earlier page.")] = -1,
        project: Project = None,
        domain: Domain = None,
    ) -> Response:
        """What an action called, in order, page by page; below the root unless a parent is named."""
        place = {"project": project, "domain": domain}
        return Json(reader.children(name, parent, limit=limit, after=after, **place))

    @api.get(ONE, **_gives(ActionView), tags=["actions"])
    def action(name: str, action: str, project: Project = None, domain: Domain = None) -> Response:
        """An action; "a0" is the root."""
        return Json(reader.action(name, action, project=project, domain=domain))

    @api.get(f"{ONE}/io", **_gives(IoView), tags=["actions"])
    def io(name: str, action: str, project: Project = None, domain: Domain = None) -> Response:
        """What it got and what it gave."""
        found = reader.io(name, action, project=project, domain=domain, content=None, preview=None)
        return Json({"inputs": found["inputs"], "outputs": [*found["outputs"].values()]})

    @api.get(f"{ONE}/logs", **_gives(LogsView), tags=["actions"])
    def logs(
        name: str,
        action: str,
        after: Annotated[int, Query(ge=0, description="The `next` of an earlier answer.")] = 0,
        project: Project = None,
        domain: Domain = None,
    ) -> Response:
        """What it printed and logged, from a place on; ask again with `next` for what comes later."""
        lines, following = reader.logs(name, action, after=after, project=project, domain=domain)
        return Json({"lines": lines, "next": following})

    @api.get(f"{ONE}/attempts", **_gives(list[AttemptView]), tags=["actions"])
    def attempts(name: str, action: str, project: Project = None, domain: Domain = None) -> Response:
        """The attempts that failed before the last one."""
        return Json(reader.attempts(name, action, project=project, domain=domain))

    @api.get(f"{ONE}/why", **_gives(WhyView), tags=["actions"])
    def why(name: str, action: str, project: Project = None, domain: Domain = None) -> Response:
        """Why it was executed, or not."""
        return Json(reader.why(name, action, project=project, domain=domain))

    @api.get(f"{ONE}/task", **_gives(TaskView), tags=["actions"])
    def task(name: str, action: str, project: Project = None, domain: Domain = None) -> Response:
        """Its task, with the JSON Schema of every input and output."""
        return Json(reader.task(name, action, project=project, domain=domain))

    @api.get(f"{ONE}/code", **_gives(CodeView), tags=["actions"])
    def code(name: str, action: str, project: Project = None, domain: Domain = None) -> Response:
        """The recorded code that its task reaches."""
        return Json(reader.code(name, action, project=project, domain=domain))


def _add_reruns(api: FastAPI, reader: Reader) -> None:
    @api.post(f"{ONE}/rerun", **_gives(RunView, 201), tags=["rerun"])
    async def rerun(
        name: str, action: str, wanted: Rerun, project: Project = None, domain: Domain = None
    ) -> Response:
        """Start a new run from an action, "a0" for the whole run; answers when it is recorded."""
        made = await reader.rerun(name, action, **wanted.asked(), project=project, domain=domain)
        return Json(made, 201)

    @api.post(f"{ONE}/plan", **_gives(PlanView), tags=["rerun"])
    async def plan(
        name: str, action: str, wanted: Rerun, project: Project = None, domain: Domain = None
    ) -> Response:
        """What the same rerun would execute and take over; nothing is recorded."""
        return Json(await reader.plan(name, action, **wanted.asked(), project=project, domain=domain))

    @api.post(f"{RUN}/abort", **_gives(RunView), tags=["rerun"])
    async def abort(name: str, project: Project = None, domain: Domain = None) -> Response:
        """Stop a run, whoever executes it; answers when it has ended."""
        return Json(await reader.abort(name, project=project, domain=domain))

    @api.post(f"{RUN}/resume", **_gives(RunView), tags=["rerun"])
    async def resume(name: str, project: Project = None, domain: Domain = None) -> Response:
        """Go on with a run whose process is gone; answers when it goes on."""
        return Json(await reader.resume(name, project=project, domain=domain))


def _nothing(rest: str) -> Response:
    raise HTTPException(404, "there is no such address in the API, or it is asked in another way")


def _gives(kind: Any, status: int = 200) -> dict[str, Any]:
    """What a route answers, for the documentation."""
    error = {"model": documented(ErrorDocument), "description": "What went wrong"}
    return {
        "status_code": status,
        "response_class": Json,
        "response_model": None,
        "responses": {status: {"model": documented(kind)}, "default": error, 422: error},
    }


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, DalsegnoError)  # the handler is that of this class
    return _error(refusal_view(error), status_of(error))


async def _not_understood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # as above
    found = error.errors()
    words = "; ".join(f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in found)
    return _error({"kind": "UsageError", "message": f"the request cannot be understood: {words}"}, 422)


async def _not_served(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # as above
    kind = "NotFoundError" if error.status_code == 404 else "HTTPError"
    message = f"{request.method} {request.url.path}: {error.detail}"
    return _error({"kind": kind, "message": message}, error.status_code)


def _error(view: RefusalView, status: int) -> Response:
    return Json({"error": view}, status)


async def _unknown(request: Request, error: Exception) -> Response:
    # It is raised again behind this answer, so that the server prints it.
    words = "the server met an error that it does not know; what it prints tells more"
    return _error({"kind": "InternalError", "message": words}, 500)
