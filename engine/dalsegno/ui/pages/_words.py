"""How things are said on the pages: phases, times, durations, sizes, relations.

Every phase has a sign and a word beside its colour, so that nothing is told by colour alone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, urlencode

from dalsegno.views import OriginView, RelationView, RunView


class PhaseWords(NamedTuple):
    """How a phase is shown: the name of a sign in the icon font, and a word."""

    icon: str
    word: str


_PHASES = {
    "queued": PhaseWords("schedule", "Queued"),
    "running": PhaseWords("sync", "Running"),
    "succeeded": PhaseWords("check_circle", "Succeeded"),
    "failed": PhaseWords("error", "Failed"),
    "aborted": PhaseWords("do_not_disturb_on", "Aborted"),
    "timed_out": PhaseWords("timer_off", "Timed out"),
    "recovered": PhaseWords("replay", "Reused"),
    "interrupted": PhaseWords("power_off", "Interrupted"),
}


def phase_words(phase: str) -> PhaseWords:
    """The sign and the word of a phase."""
    return _PHASES.get(phase) or PhaseWords("help_outline", phase)


def phases() -> dict[str, str]:
    """Every phase that can be asked for, and its word."""
    return {phase: words.word for phase, words in _PHASES.items()}


def took(seconds: float | None) -> str:
    """A duration in at most seven characters: "12 ms", "3.4 s", "5m 03s", "2h 07m"; "" for None."""
    if seconds is None:
        return ""
    if seconds < 0.00005:
        return "<0.1 ms"
    if seconds < 0.0995:
        return f"{seconds * 1000:.{0 if seconds >= 0.00995 else 1}f} ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02}h"


def instant(text: str) -> datetime:
    """A time of a document."""
    return datetime.fromisoformat(text)


def ago(text: str, now: datetime | None = None) -> str:
    """When something was, seen from now: "just now", "5 min ago", "today 14:02", "Nov 21, 09:30"."""
    then, now = instant(text), now or datetime.now(UTC)
    seconds = (now - then).total_seconds()
    if seconds < 5:
        return "just now"
    if seconds < 60:
        return f"{seconds:.0f} s ago"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min ago"
    local, today = then.astimezone(), now.astimezone()
    if local.date() == today.date():
        return f"today {local:%H:%M}"
    if local.year == today.year:
        return f"{local:%b} {local.day}, {local:%H:%M}"
    return f"{local:%Y-%m-%d}"


def moment(text: str) -> str:
    """A time in full, in the time zone of this machine."""
    return f"{instant(text).astimezone():%Y-%m-%d %H:%M:%S.%f}"[:-3] + f" {instant(text).astimezone():%Z}"


def size(count: float) -> str:
    """A number of bytes: "812 B", "3.4 kB", "12 MB"."""
    if count < 1000:
        return f"{count:.0f} B"
    for unit in ("kB", "MB"):
        count /= 1000
        if count < 999.5:
            return f"{count:.1f} {unit}" if count < 9.95 else f"{count:.0f} {unit}"
    return f"{count / 1000:.1f} GB"


def counted(count: int, word: str) -> str:
    """A number with its noun: "1 action", "12 actions"."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def short_task(task: str) -> str:
    """A task's last name."""
    return task.rpartition(".")[2] or task


class Mark(NamedTuple):
    """What a run is to the run it came from: a sign, words, and where that one is."""

    icon: str
    word: str
    run: str
    href: str


def relation_mark(relation: RelationView) -> Mark:
    """How a run came from another: "rerun of", "recovered from", "forked from"."""
    if relation["kind"] == "fork":
        icon, word = "call_split", "forked from"
    elif relation["recover"]:
        icon, word = "restore", "recovered from"
    else:
        icon, word = "replay", "rerun of"
    action = relation["action"]
    run = relation["run"] if action == "a0" else f"{relation['run']}/{action}"
    where = run_path(relation["run"], relation["project"], relation["domain"], action=action)
    return Mark(icon, word, run, where)


def run_path(
    run: str,
    project: str | None = None,
    domain: str | None = None,
    *,
    action: str = "a0",
    page: str = "",
    **query: str,
) -> str:
    """Where a run, one of its actions, or a page about it is."""
    path = f"/run/{quote(run, safe='')}"
    if action != "a0":
        path += f"/action/{quote(action, safe='')}"
    if page:
        path += f"/{page}"
    asked = {"project": project, "domain": domain, **query}
    said = {name: value for name, value in asked.items() if value}
    return f"{path}?{urlencode(said)}" if said else path


def path_of(run: RunView) -> str:
    """Where a run is."""
    return run_path(run["name"], run["project"], run["domain"])


def reference_of(run: RunView, home: tuple[str, str]) -> str:
    """What a run is called where runs of all projects are: its name, or project/domain/name if it is not at home."""
    place = run["project"], run["domain"]
    return run["name"] if place == home else "/".join((*place, run["name"]))


def origin_path(origin: OriginView) -> str:
    """Where the action is that really ran."""
    return run_path(origin["run"], origin["project"], origin["domain"], action=origin["action"])
