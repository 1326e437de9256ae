"""A module that is imported under a computed name counts, and is there when the run is run again without the checkout."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Script = Callable[..., Any]
Write = Callable[..., Path]

FLOW = """
import dalsegno
{imports}
env = dalsegno.TaskEnvironment("flow_FORM")
@env.task
def main(name: str) -> int:
    {body}
"""

FORMS = {
    "formatted": ("import importlib", "return importlib.import_module(f'pk_FORM.{name}').value()"),
    "relative": ("from pk_FORM import load", "return load(name).value()"),
    "getattr": ("import pk_FORM", "return getattr(pk_FORM, name).value()"),
    "attribute": ("import pk_FORM", "return pk_FORM.part.value()"),
    "from_import": ("", "from pk_FORM import part; return part.value()"),
    "built_in": ("", "return getattr(__import__('pk_FORM.' + name), name).value()"),
    "from_list": ("", "return getattr(__import__('pk_FORM', fromlist=[name]), name).value()"),
    "unknown": (
        "import importlib",
        "return importlib.import_module('_'.join(['pk', 'FORM']) + '.' + name).value()",
    ),
    "beside": ("import importlib", "return importlib.import_module(name + '_FORM').value()"),
    "listed": (
        "import importlib, pkgutil, pk_FORM",
        "return sum(importlib.import_module(f'pk_FORM.{each.name}').value() for each in pkgutil.iter_modules(pk_FORM.__path__))",
    ),
    "walked": (
        "import importlib, pkgutil",
        "import pk_FORM as p; names = [m.name for m in pkgutil.walk_packages(p.__path__, 'pk_FORM.')];"
        " return sum(importlib.import_module(each).value() for each in names)",
    ),
    "executed": ("", "found = {}; exec(f'from pk_FORM.{name} import value', found); return found['value']()"),
}
LAZY = """
import importlib
def load(name):
    return importlib.import_module("." + name, __name__)
def __getattr__(name):
    if name == "part":
        return load(name)
    raise AttributeError(name)
"""
PLAIN = {"built_in", "from_list", "unknown", "formatted", "listed", "walked", "executed"}

RUN = """
import importlib, json, sys
from pathlib import Path
import dalsegno
shown = {}
for form in %(forms)r:
    if %(how)r == "again":
        run = dalsegno.rerun(form)
    elif %(how)r == "beside others":
        run = dalsegno.with_runcontext(isolation="private").rerun(form)
    else:
        sys.path.insert(0, str(Path(%(root)r) / form))
        flow = importlib.import_module(f"flow_{form}")
        if %(how)r == "first":
            run = dalsegno.with_runcontext(name=form).run(flow.main, "part")
        else:
            run = dalsegno.rerun(form, task_template=flow.main, recover=True)
    shown[form] = [run.result(), run.actions()[0].phase]
print(json.dumps(shown))
"""


def test_all_forms(write_files: Write, script: Script, tmp_path: Path) -> None:
    for form, (imports, body) in FORMS.items():
        flow = FLOW.format(imports=imports, body=body)
        files = {
            f"flow_{form}.py": flow,
            f"pk_{form}/__init__.py": "" if form in PLAIN else LAZY,
            f"pk_{form}/part.py": "def value(): return 1\n",
            f"part_{form}.py": "def value(): return 1\n",
        }
        write_files(
            f"forms/{form}", {name: text.replace("FORM", form).strip() for name, text in files.items()}
        )
    root = tmp_path / "forms"

    def told(how: str, cwd: Path) -> Any:
        return script(RUN % {"forms": list(FORMS), "how": how, "root": str(root)}, cwd=cwd)

    assert told("first", root) == {form: [1, "succeeded"] for form in FORMS}
    assert told("recover", root) == {form: [1, "recovered"] for form in FORMS}
    for form in FORMS:
        for edited in (root / form).glob("p*/part.py" if form != "beside" else "part_*.py"):
            edited.write_text("def value(): return 20\n")
    assert told("recover", root) == {form: [20, "succeeded"] for form in FORMS}
    root.rename(tmp_path / "away")
    for how in ("again", "beside others"):
        assert told(how, tmp_path) == {form: [1, "succeeded"] for form in FORMS}
