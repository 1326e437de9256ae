"""What code a task reaches in its bundle, told from the text alone; nothing is imported or executed.

`module_facts` reads one module, once for each content. `closure` follows names from a function through the modules of a
bundle. `symbol_source` and `changes` show what was found.
"""

from .closure import Closure, Sources, Symbol, Widening, closure
from .facts import ANALYSIS, ModuleFacts, Outline, module_facts, module_outline, module_words
from .show import Change, changes, reached_lines, symbol_source

__all__ = [
    "ANALYSIS",
    "Change",
    "Closure",
    "ModuleFacts",
    "Outline",
    "Sources",
    "Symbol",
    "Widening",
    "changes",
    "closure",
    "module_facts",
    "module_outline",
    "module_words",
    "reached_lines",
    "symbol_source",
]
