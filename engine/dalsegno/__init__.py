"""dalsegno: every run is recorded, and any run, or any action inside one, can be run again."""

from dalsegno import errors
from dalsegno._context import ctx, group
from dalsegno._default import init, init_from_config
from dalsegno._map import map
from dalsegno.engine import Engine
from dalsegno.files import Dir, File
from dalsegno.models import Phase
from dalsegno.observers import Observer
from dalsegno.opaque import Image, PodTemplate, Resources, ReusePolicy, Secret
from dalsegno.run import Action, Run
from dalsegno.sdk import rerun, run, with_runcontext
from dalsegno.task import Cache, RetryStrategy, Task, TaskEnvironment, Timeout

__all__ = [
    "Action",
    "Cache",
    "Dir",
    "Engine",
    "File",
    "Image",
    "Observer",
    "Phase",
    "PodTemplate",
    "Resources",
    "RetryStrategy",
    "ReusePolicy",
    "Run",
    "Secret",
    "Task",
    "TaskEnvironment",
    "Timeout",
    "ctx",
    "errors",
    "group",
    "init",
    "init_from_config",
    "map",
    "rerun",
    "run",
    "with_runcontext",
]
