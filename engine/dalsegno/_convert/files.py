"""`@file` on the command line: the value is in a file."""

from pathlib import Path

from dalsegno._convert.base import Kind, Report, Source


def take(kind: Kind, value: object, source: Source, report: Report) -> object:
    """Convert one input; typed text that starts with "@" names a file, "@@" stands for one plain "@"."""
    if source == "text" and isinstance(value, str) and value.startswith("@") and kind.file != "never":
        if value.startswith("@@"):
            return kind.take(value[1:], source, (), report)
        try:
            content = Path(value[1:]).read_bytes()
            value = content.decode() if kind.file == "text" else content
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            return report.refuse(
                (), f"a readable {'text ' * (kind.file == 'text')}file", f"{value!r} ({reason})"
            )
    return kind.take(value, source, (), report)
