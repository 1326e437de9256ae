"""Capsules: runs in one file, to be carried to another store and executed there, offline and without a checkout.

Each function takes an open store and works beside engines that use it. Nothing that was recorded is imported, unpickled or run.
"""

from dalsegno.capsule._carrying import export_records, export_runs, import_capsule
from dalsegno.capsule._export import Exported
from dalsegno.capsule._import import Imported
from dalsegno.capsule._trusting import Foreign, foreign, made_here, revoke, trust

__all__ = [
    "Exported",
    "Foreign",
    "Imported",
    "export_records",
    "export_runs",
    "foreign",
    "import_capsule",
    "made_here",
    "revoke",
    "trust",
]
