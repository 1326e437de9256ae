"""dalsegno: every run is recorded, and any run, or any action inside one, can be run again."""

from typing import TYPE_CHECKING

from dalsegno import errors
from dalsegno._context import ctx, group
from dalsegno._lazily import lazily
from dalsegno.models import Phase
from dalsegno.opaque import Image, PodTemplate, Resources, ReusePolicy, Secret
from dalsegno.task import Backoff, Cache, RetryStrategy, Task, TaskEnvironment, Timeout

if TYPE_CHECKING:
    from dalsegno import durable
    from dalsegno._default import init, init_from_config
    from dalsegno._map import map
    from dalsegno.comparison import diff, fingerprint
    from dalsegno.engine import Engine
    from dalsegno.files import Dir, File
    from dalsegno.observers import Observer
    from dalsegno.runs import Action, Run
    from dalsegno.sdk import rerun, resume, run, with_runcontext
    from dalsegno.sharing import export_runs, import_capsule, trust
    from dalsegno.tracing import trace
    from dalsegno.verification import verify

__getattr__ = lazily(
    __name__,
    {
        "Action": "dalsegno.runs",
        "Dir": "dalsegno.files",
        "Engine": "dalsegno.engine",
        "File": "dalsegno.files",
        "Observer": "dalsegno.observers",
        "Run": "dalsegno.runs",
        "diff": "dalsegno.comparison",
        "durable": "dalsegno.durable",
        "export_runs": "dalsegno.sharing",
        "fingerprint": "dalsegno.comparison",
        "import_capsule": "dalsegno.sharing",
        "init": "dalsegno._default",
        "init_from_config": "dalsegno._default",
        "map": "dalsegno._map",
        "rerun": "dalsegno.sdk",
        "resume": "dalsegno.sdk",
        "run": "dalsegno.sdk",
        "trace": "dalsegno.tracing",
        "trust": "dalsegno.sharing",
        "verify": "dalsegno.verification",
        "with_runcontext": "dalsegno.sdk",
    },
)

__all__ = [
    "Action",
    "Backoff",
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
    "diff",
    "durable",
    "errors",
    "export_runs",
    "fingerprint",
    "group",
    "import_capsule",
    "init",
    "init_from_config",
    "map",
    "rerun",
    "resume",
    "run",
    "trace",
    "trust",
    "verify",
    "with_runcontext",
]
