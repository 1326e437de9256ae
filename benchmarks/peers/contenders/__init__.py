"""How each peer does the work that is timed, set up as its documentation recommends; and what it cannot express."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.peers.contenders.contender import MARKS, Contender
from benchmarks.peers.contenders.dalsegno import Dalsegno
from benchmarks.peers.contenders.dbos import Dbos
from benchmarks.peers.contenders.flyte import Flyte
from benchmarks.peers.contenders.langgraph import LangGraph
from benchmarks.peers.contenders.prefect import Prefect
from benchmarks.peers.contenders.redun import Redun

__all__ = ["CONTENDERS", "MARKS", "Contender"]

CONTENDERS: Mapping[str, type[Contender]] = {
    "dalsegno": Dalsegno,
    "dbos": Dbos,
    "langgraph": LangGraph,
    "flyte": Flyte,
    "redun": Redun,
    "prefect": Prefect,
}
