"""What cannot be told from the text is made larger and reported; bad input is no error."""

import sys

import pytest
from tests.engine.closure.sources import Files, files, reach

from dalsegno.closure import ANALYSIS, ModuleFacts, module_facts
from dalsegno.errors import DecodeError

PROGRAM = """
    # file: main.py
    import tools
    {imports}
    NAME = "x"
    def main(name=NAME):
        return {use}
    def unused():
        return 1
    # file: tools.py
    def first():
        return 2
    def second():
        return 3
    # file: far.py
    def away():
        return 4
    # file: pkg/__init__.py
    # file: pkg/inner.py
    def deep():
        return 5
"""
EDITS = {
    "main": ("main.py", "return 1"),
    "tools": ("tools.py", "return 3"),
    "far": ("far.py", "return 4"),
    "pkg": ("pkg/inner.py", "return 5"),
}


@pytest.mark.parametrize(
    ("imports", "use", "widened", "concerns"),
    [
        ("", "tools.first()", set(), set()),
        ("", 'getattr(tools, "second")()', set(), {"tools"}),
        ("", "getattr(tools, name)()", {"module"}, {"tools"}),
        ("", "vars(tools)[name]", {"module"}, {"tools"}),
        ("", "tools.__dict__[name]", {"module"}, {"tools"}),
        ("", "list(map(id, [tools]))", {"module"}, {"tools"}),
        ("", "tools.third()", {"module"}, {"tools"}),
        ("", "globals()[name]", {"module"}, {"main", "tools"}),
        ("", "vars(name), locals()", set(), set()),
        ("", "missing()", {"module"}, {"main", "tools"}),
        ("", "eval(name)", {"bundle", "module"}, {"main", "tools", "far", "pkg"}),
        ("", "exec(name)", {"bundle", "module"}, {"main", "tools", "far", "pkg"}),
        ("", "__import__(name)", {"bundle", "module"}, {"main", "tools", "far", "pkg"}),
        ("import importlib", "importlib.import_module(name)", {"bundle"}, {"main", "tools", "far", "pkg"}),
        ("import importlib as i", "i.import_module(name)", {"bundle"}, {"main", "tools", "far", "pkg"}),
        ("from importlib import import_module as load", "load(name)", {"bundle"}, {"main", "tools", "far", "pkg"}),
        ("import importlib", 'importlib.import_module("far")', {"module"}, {"far"}),
        ("import importlib", 'importlib.import_module("pkg.inner")', {"module"}, {"pkg"}),
        ("import importlib", 'importlib.import_module(".inner", "pkg")', {"module"}, {"pkg"}),
        ("import importlib", 'importlib.import_module(".inner", package=name)', {"bundle"}, {"main", "tools", "far", "pkg"}),
        ("import sys", "sys.modules[name]", {"bundle"}, {"main", "tools", "far", "pkg"}),
        ("import sys as s", "s.modules", {"bundle"}, {"main", "tools", "far", "pkg"}),
        ("", "object.__subclasses__()", {"bundle"}, {"main", "tools", "far", "pkg"}),
        ("import pkgutil, pkg", "list(pkgutil.iter_modules(pkg.__path__))", {"bundle"}, {"main", "tools", "far", "pkg"}),
        ("import pkg", "tools.first(pkg)", {"module"}, {"pkg"}),
        ("", 'load("pkg.inner.deep")', {"module"}, {"main", "tools", "pkg"}),
        ("from missing_package import *", "missing()", set(), set()),
        ("import gone", "gone.x", set(), set()),
        ("import pkg.gone", "pkg.gone.x", {"module"}, {"pkg"}),
        ("from pkg import gone", "gone", {"module"}, {"pkg"}),
        ("from . import gone", "gone", {"module"}, {"main", "tools"}),
        ("from .... import gone", "gone", {"module"}, {"main", "tools"}),
    ],
)  # fmt: skip
def test_widening(imports: str, use: str, widened: set[str], concerns: set[str]) -> None:
    program = files(PROGRAM.format(imports=imports, use=use))
    found = reach(program)
    assert {each.to for each in found.widened} - {"module"} == widened - {"module"}
    assert bool(found.widened) == bool(widened)
    changed = set()
    for what, (path, old) in EDITS.items():
        assert program[path].count(old) == 1
        edited = {**program, path: program[path].replace(old, "return 99")}
        if reach(edited).digest != found.digest:
            changed.add(what)
    assert changed - {"main", "tools"} == concerns - {"main", "tools"}
    assert concerns <= changed


def test_widening_is_told() -> None:
    program = files(PROGRAM.format(imports="", use="getattr(tools, name)()"))
    (widening,) = reach(program).widened
    assert tuple(widening) == ("main", "main", "module", "the module tools is used as a whole")


def test_module_with_getattr() -> None:
    program = {
        "main.py": "import lazy\ndef main():\n    return lazy.thing\n",
        "lazy.py": "import other\nX = 1\ndef __getattr__(name):\n    return X\nY = 2\n",
        "other.py": "",
    }
    found = reach(program)
    assert [each.to for each in found.widened] == ["module"]
    assert found.digest != reach({**program, "lazy.py": program["lazy.py"].replace("Y = 2", "Y = 3")}).digest


@pytest.mark.parametrize(
    "text",
    [
        b"def f(:\n",
        b"x = 1\0",
        b"\xff\xfe x",
        b"# coding: no-such-code\nx = 1\n",
        b"  x = 1\n y = 2\n",
        ("x = " + "(" * 5000 + ")" * 5000).encode(),
        b"'\\N{no such name}'",
        "x = '\ud800'".encode("utf-8", "surrogatepass"),
    ],
)
def test_text_that_cannot_be_parsed(text: bytes) -> None:
    facts = module_facts(text, name="bad", is_package=False)
    assert facts.problem
    assert ModuleFacts.decode(facts.encode()) == facts
    program: dict[str, str | bytes] = {
        "main.py": "import bad\ndef main():\n    return bad.x\ndef other():\n    return 1\n",
        "bad.py": text,
        "far.py": "X = 1\n",
    }
    found = reach(program)
    assert "bundle" in {each.to for each in found.widened}
    assert found.digest != reach({**program, "bad.py": text + b"#"}).digest
    assert found.digest != reach({**program, "far.py": "X = 2\n"}).digest
    assert reach(program, "bad:x").digest != reach({**program, "bad.py": text + b"#"}, "bad:x").digest


def test_broken_module_that_nothing_reaches() -> None:
    text = "def main():\n    return 1\n"
    found = reach({"main.py": text, "bad.py": "def f(:\n"})
    assert found == reach({"main.py": text})


def test_text_in_another_encoding() -> None:
    text = "# coding: latin-1\nNAME = 'é'\ndef main():\n    return NAME\n"
    latin, other = text.encode("latin-1"), text.replace("é", "è").encode("latin-1")
    assert module_facts(latin, name="main", is_package=False).problem == ""
    assert reach({"main.py": latin}).digest != reach({"main.py": other}).digest
    assert reach({"main.py": latin}).digest == reach({"main.py": text.replace("latin-1", "utf-8")}).digest


@pytest.mark.parametrize("module", ["main", "gone", ""])
def test_root_that_is_not_there(module: str) -> None:
    found = reach({"main.py": "X = 1\n"}, f"{module}:nothing")
    assert found.widened
    assert found.digest != reach({"main.py": "X = 2\n"}, f"{module}:nothing").digest


def test_module_that_disappears() -> None:
    program = {
        "main.py": "from pkg import helper\ndef main():\n    return helper.x\n",
        "pkg/__init__.py": "",
        "pkg/helper.py": "x = 1\n",
    }
    without = {path: text for path, text in program.items() if path != "pkg/helper.py"}
    assert reach(program).widened == ()
    assert reach(without).widened
    assert reach(program).digest != reach(without).digest


def test_optional_module_appears() -> None:
    program = {
        "main.py": "try:\n    from pkg.fast import run\nexcept ImportError:\n    from pkg.slow import run\n"
        "def main():\n    return run()\n",
        "pkg/__init__.py": "",
        "pkg/slow.py": "def run():\n    return 1\n",
    }
    assert reach(program).widened == ()
    assert reach(program).digest != reach({**program, "pkg/fast.py": "def run():\n    return 2\n"}).digest


def test_cyclic_imports() -> None:
    program = files("""
        # file: main.py
        from a import *
        from b import one
        import a
        def main():
            return one(), two(), a.b.a.three()
        # file: a.py
        from b import *
        from b import one as uno
        import b
        def two():
            return b.one()
        def three():
            return 3
        # file: b.py
        import a
        from a import *
        from a import uno as again
        def one():
            return again
    """)
    found = reach(program)
    assert found.widened == ()
    for old in ("return 3", "return again"):
        path = "a.py" if "3" in old else "b.py"
        assert found.digest != reach({**program, path: program[path].replace(old, "return 7")}).digest


def test_import_of_itself_under_its_own_name() -> None:
    found = reach({"main.py": "from main import x\nimport main\ndef main():\n    return x\n"})
    assert found.symbols


def test_large_module() -> None:
    lines = [
        f"def f{number}(x):\n    return x + {number}\n\nC{number} = {number}\n" for number in range(2500)
    ]
    text = "\n".join([*lines, "def main():\n    return f7(C9)\n"])
    assert len(text.splitlines()) > 10_000
    found = reach({"main.py": text})
    assert [each.name for each in found.symbols] == ["C9", "f7", "main"]
    assert found.digest == reach({"main.py": text.replace("C8 = 8", "C8 = 88")}).digest


@pytest.mark.parametrize(
    "expression",
    [
        " + ".join(["x"] * 900),
        "[" * 90 + "]" * 90,
        "x" + ".y" * 900,
        "not " * 900 + "x",
        "x" + "[0]" * 900,
        "f" + "(1)" * 900,
        "1 if x else " * 900 + "2",
    ],
    ids=["sum", "list", "attribute", "not", "subscript", "call", "condition"],
)
def test_deeply_nested_code(expression: str) -> None:
    text = f"def f(*a):\n    return f\nLIMIT = 1\nx = 1\ndef main():\n    return {expression}, LIMIT\n"
    before = sys.getrecursionlimit()
    found = reach({"main.py": text})
    assert sys.getrecursionlimit() == before
    assert found.digest != reach({"main.py": text.replace("LIMIT = 1", "LIMIT = 2")}).digest


def test_long_chains_of_branches_and_names() -> None:
    branches = "if x == 0:\n    y = 0\n" + "".join(f"elif x == {n}:\n    y = {n}\n" for n in range(1, 700))
    names = "".join(f"n{n} = n{n - 1}\n" for n in range(1, 3000))
    found = reach({"main.py": f"x = 1\n{branches}n0 = 1\n{names}def main():\n    return n2999, y\n"})
    assert found.widened == ()
    assert len(found.symbols) == 3003


def test_long_chain_of_modules() -> None:
    count = 200
    program = {f"m{n}.py": f"from m{n + 1} import x\nx.append({n})\n" for n in range(count)}
    program[f"m{count}.py"] = "x = []\n"
    program["main.py"] = "from m0 import x\ndef main():\n    return x\n"
    found = reach(program)
    assert found.order == tuple(f"m{n}" for n in reversed(range(count)))


def test_facts_of_another_analysis_are_refused() -> None:
    data = module_facts(b"x = 1\n", name="m", is_package=False).encode()
    assert data[1] == ANALYSIS
    for bad in (data[:1] + bytes([ANALYSIS + 1]) + data[2:], b"", b"\x93", data[:-1], b"\x01"):
        with pytest.raises(DecodeError):
            ModuleFacts.decode(bad)


def test_folders_without_init() -> None:
    program = files("""
        # file: main.py
        import space.deep.leaf
        from space.deep import other
        def main():
            return space.deep.leaf.x, other.y
        # file: space/deep/leaf.py
        x = 1
        # file: space/deep/other.py
        y = 1
        z = 1
    """)
    found = reach(program)
    assert found.widened == ()
    assert Files(program).facts("space") is None
    changed = {**program, "space/deep/other.py": "y = 2\nz = 1\n"}
    same = {**program, "space/deep/other.py": "y = 1\nz = 2\n"}
    assert reach(changed).digest != found.digest == reach(same).digest
