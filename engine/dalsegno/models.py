"""What is recorded, as frozen values: runs, actions, templates, failures, relations.

Named tuples, because they are made in a fraction of a dataclass's time, once per action and once per import. Times are integers in nanoseconds since the epoch, UTC. Digests are 32 raw bytes; text forms are hexadecimal.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, NamedTuple

from dalsegno._identity import ROOT_NAME, action_name

__all__ = [
    "ActionRecord",
    "Attempt",
    "ClassCode",
    "CopyStyle",
    "DURABLE",
    "Failure",
    "NOTHING",
    "NO_VARIABLES",
    "Origin",
    "Part",
    "Phase",
    "Ref",
    "Relation",
    "RunRecord",
    "TaskKind",
    "TaskTemplate",
    "Values",
]


CopyStyle = Literal["loaded_modules", "all", "none"]
"""Which files go into a bundle: those of the modules, every file below the source roots, or none."""

DURABLE = "dalsegno.durable"
"""The module whose functions give recorded values."""

TaskKind = Literal["task", "trace", "durable"]
"""What kind of function an action called."""

NOTHING: Mapping[str, str] = MappingProxyType({})
"""No labels, no variables."""


NO_VARIABLES: Mapping[str, bytes] = MappingProxyType({})


class Phase(StrEnum):
    """Where a run or an action is in its life; `dalsegno._phases` has the transitions."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABORTED = "aborted"
    TIMED_OUT = "timed_out"
    RECOVERED = "recovered"
    INTERRUPTED = "interrupted"
    """Recorded as running, by a process that is gone; found out when it is read, and never recorded itself."""

    @property
    def is_terminal(self) -> bool:
        """Nothing more will happen."""
        return self not in (Phase.QUEUED, Phase.RUNNING, Phase.INTERRUPTED)

    @property
    def is_success(self) -> bool:
        """There is a result: it succeeded, or the result was taken over from an earlier run."""
        return self in (Phase.SUCCEEDED, Phase.RECOVERED)


class Ref(NamedTuple):
    """An encoded value kept as an object of its own, because it is too large to live in the record."""

    digest: bytes
    size: int


Part = bytes | Ref
"""One encoded value: its bytes when small, a reference to them when not."""

Values = bytes | Mapping[str, Part]
"""Named values: one encoded map when all of them are small, else value by value in the same order."""


class Failure(NamedTuple):
    """An exception as it was recorded.

    `kind` is the class as "module:QualifiedName"; `text` the formatted traceback with source lines and causes;
    `state` the encoded arguments and attributes, empty when they could not be encoded.
    """

    kind: str
    message: str
    text: str
    state: bytes = b""

    @property
    def code(self) -> str:
        """The bare class name."""
        return self.kind.rpartition(":")[2].rpartition(".")[2]


class Attempt(NamedTuple):
    """An attempt that failed and was followed by another one."""

    started_at: int
    ended_at: int
    failure: Failure


class Relation(NamedTuple):
    """Where a run came from.

    `kind` is "rerun" (recorded code) or "fork" (other code). The code digests are those of the source action and
    of the new root; they are equal for a rerun in the same environment. `recover` says that results of the source were
    taken over where they still hold; `forced` are the names of its actions that were executed nevertheless.
    """

    kind: str
    run: str
    project: str
    domain: str
    action: str
    changed_inputs: tuple[str, ...]
    source_code_digest: bytes
    code_digest: bytes
    recover: bool = False
    forced: tuple[str, ...] = ()


class Origin(NamedTuple):
    """The action that really ran, for one whose result was taken over; `kind` is "recover" or "cache"."""

    kind: str
    run_id: int
    seq: int


class ClassCode(NamedTuple):
    """The classes and functions among the inputs of a call that do not come with Python, and the digest of their code:
    what the user's reach, and the versions of the packages that others come from.

    `names` are recorded (module, qualified name), sorted.
    """

    names: tuple[tuple[str, str], ...]
    digest: bytes


class TaskTemplate(NamedTuple):
    """The frozen description of a task, enough to run it again from the store alone.

    `module` and `qualname` find the task in the bundle; a task without an importable home (a notebook's, a
    REPL's) is found in the blob `pickle` instead. `interface` is the record of `dalsegno.interface`;
    `settings` maps a setting's name to its encoded value, in name order, without the ones left at their default.

    `code_digest` covers all code that the task can reach: the object `closure`, which says what that is, and
    `packages`, the versions by name of the Python and of the distributions that it uses. `environ` are the variables
    that it reads, with a digest of the value that they had, b"" for a variable that was not there.
    """

    name: str
    short_name: str
    module: str
    qualname: str
    is_async: bool
    doc: str
    interface: Mapping[str, object]
    settings: Mapping[str, bytes]
    code_digest: bytes
    bundle_digest: bytes
    pickle: bytes | None = None
    closure: bytes = b""
    packages: Mapping[str, str] = NOTHING
    environ: Mapping[str, bytes] = NO_VARIABLES

    @property
    def kind(self) -> TaskKind:
        """Whether it is a task, a traced function, or a function of `dalsegno.durable`."""
        if self.module == DURABLE:
            return "durable"
        return "trace" if "trace" in self.settings else "task"


class RunRecord(NamedTuple):
    """A run: what was asked for, and how it stands."""

    id: int
    project: str
    domain: str
    name: str
    task: str
    template: bytes
    bundle: bytes
    manifest: bytes
    code_digest: bytes
    phase: Phase
    started_at: int
    ended_at: int | None = None
    labels: Mapping[str, str] = NOTHING
    env_vars: Mapping[str, str] = NOTHING
    custom_context: Mapping[str, str] = NOTHING
    relation: Relation | None = None


class ActionRecord(NamedTuple):
    """One task call inside a run.

    `seq` numbers the actions of a run in the order in which they began; the root is 0. `key` identifies the call
    below its parent (16 bytes), `path` the chain of keys from the root (16 bytes). `opaque_inputs` and
    `opaque_outputs` say that something in them was pickled, so that it is unknown what they are equal to. `origin` is where its result was taken from, None for an action that ran itself.
    """

    run_id: int
    seq: int
    parent: int | None
    short_name: str
    key: bytes
    path: bytes
    group: str
    template: bytes
    inputs: Values
    phase: Phase
    attempts: int
    started_at: int
    ended_at: int | None = None
    outputs: Values | None = None
    failure: Failure | None = None
    opaque_inputs: bool = False
    opaque_outputs: bool = False
    origin: Origin | None = None
    classes: ClassCode | None = None
    failed_attempts: tuple[Attempt, ...] = ()

    @property
    def name(self) -> str:
        """What people type: `a0` for the root, else the short name and a short hash of the path."""
        return ROOT_NAME if self.seq == 0 else action_name(self.short_name, self.path)
