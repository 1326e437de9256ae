"""Conversion of values against annotations and recorded schemas."""

from dalsegno._convert.base import ANYTHING, FAILED, Kind, Report, Source, shorten
from dalsegno._convert.compile import kind_of
from dalsegno._convert.files import take

__all__ = ["ANYTHING", "FAILED", "Kind", "Report", "Source", "kind_of", "shorten", "take"]
