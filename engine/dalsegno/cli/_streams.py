"""Where output goes while tasks run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def stdout_on_stderr() -> Iterator[None]:
    """Send everything that is written to stdout to stderr, by child processes too, so that stdout has JSON only."""
    sys.stdout.flush()
    try:
        number, target = sys.stdout.fileno(), sys.stderr.fileno()
    except (OSError, ValueError):  # not a stream of the operating system
        original, sys.stdout = sys.stdout, sys.stderr
        try:
            yield
        finally:
            sys.stdout = original
        return
    kept = os.dup(number)
    os.dup2(target, number)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, number)
        os.close(kept)


@contextmanager
def exchanged(stdout: TextIO, stderr: TextIO) -> Iterator[None]:
    """Other streams for the length of the block."""
    original = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = stdout, stderr
    try:
        yield
    finally:
        sys.stdout, sys.stderr = original
