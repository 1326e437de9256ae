"""Recorded code runs after its source tree has changed or vanished, in new processes and beside other versions."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Script = Callable[..., Any]
Write = Callable[..., Path]

PROJECT = {
    "main.py": """
        import asyncio
        from pathlib import Path

        import dalsegno
        from words import Report, env
        from words.count import count_words

        @env.task
        async def main(texts: list[str], longest: int = 3) -> Report:
            counted = await asyncio.gather(*(count_words.aio(text) for text in texts))
            note = (Path(__file__).parent / "words" / "note.txt").read_text().strip()
            return Report(dict(sorted(sum_up(counted).items())[:longest]), note)

        def sum_up(counted):
            from words import totals  # imported lazily

            return totals.total(counted)

        if __name__ == "__main__":
            import json

            run = dalsegno.with_runcontext(name="first").run(main, ["a b a", "b c"])
            run.wait()
            print(json.dumps(run.io()))
    """,
    "words/__init__.py": """
        from dataclasses import dataclass

        import dalsegno

        env = dalsegno.TaskEnvironment("words", include=["note.txt"])

        @dataclass
        class Report:
            counts: dict[str, int]
            note: str
            version: int = 1
    """,
    "words/count.py": """
        from collections import Counter

        from . import env

        @env.task
        def count_words(text: str, weight: int = 1) -> dict[str, int]:
            return {word: number * weight for word, number in Counter(text.split()).items()}
    """,
    "words/totals.py": """
        def total(counted):
            result = {}
            for counts in counted:
                for word, number in counts.items():
                    result[word] = result.get(word, 0) + number
            return result
    """,
    "words/note.txt": "recorded\n",
}

CHANGED = {
    **PROJECT,
    "words/totals.py": "def total(counted):\n    return {'changed': len(counted)}\n",
    "words/note.txt": "changed\n",
}

RERUN = """
    import json
    import dalsegno

    def digests(run):
        return [str(action.record.outputs) for action in run.actions()]

    def told(run):
        run.wait()
        return [run.io(), run.relation.changed_inputs, digests(run)]

    first = dalsegno.Run.get("first")
    nested = first.action().children[0]
    whole, one, what_if, deep = (
        dalsegno.rerun("first"),
        dalsegno.rerun("first", nested.name),
        dalsegno.rerun("first", texts=["z z z"]),
        dalsegno.rerun("first", nested.name, weight=5),
    )
    result = whole.result()
    print(json.dumps({
        "whole": told(whole), "one": told(one), "what_if": told(what_if), "deep": told(deep),
        "first": digests(first), "nested": str(nested.record.outputs), "inputs": nested.io()["inputs"],
        "result": [type(result).__name__, result.note, result.counts],
        "opened": first.result().counts,
    }))
"""


def same(shown: Any, counts: dict[str, int], note: str = "recorded") -> bool:
    """Whether what `io` shows holds these counts and this note, however a dataclass is shown."""
    text = json.dumps(shown, sort_keys=True)
    return all(f'"{word}": {number}' in text for word, number in counts.items()) and f'"{note}"' in text


@pytest.fixture
def recorded(write_files: Write, script: Script) -> Path:
    """A project that has been run once."""
    folder = write_files("project", PROJECT)
    io = script(folder / "main.py", cwd=folder)
    assert same(io["outputs"][0], {"a": 2, "b": 2, "c": 1})
    return folder


@pytest.mark.parametrize("fate", ["vanished", "moved", "changed", "broken"])
def test_a_run_is_run_again_in_a_new_process_whatever_became_of_its_files(
    recorded: Path, script: Script, write_files: Write, tmp_path: Path, fate: str
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    where = empty
    path: tuple[Path, ...] = ()
    if fate == "vanished":
        shutil.rmtree(recorded)
    elif fate == "moved":
        recorded.rename(tmp_path / "elsewhere")
    else:
        broken = {name: "raise RuntimeError\n" for name in PROJECT if name.endswith(".py")}
        write_files("project", CHANGED if fate == "changed" else broken)
        where, path = recorded, (recorded,)  # even where the new code could be imported
    told = script(RERUN, cwd=where, path=path)

    io, changed, digests = told["whole"]
    assert same(io["outputs"][0], {"a": 2, "b": 2, "c": 1})
    assert io["inputs"] == {"texts": ["a b a", "b c"], "longest": 3}
    assert (changed, digests) == ([], told["first"])
    assert told["result"] == ["Report", "recorded", {"a": 2, "b": 2, "c": 1}]
    assert told["opened"] == {"a": 2, "b": 2, "c": 1}

    io, changed, digests = told["one"]
    assert io == {"inputs": {"text": "a b a", "weight": 1}, "outputs": [{"a": 2, "b": 1}]}
    assert (changed, digests) == ([], [told["nested"]])
    assert io["inputs"] == told["inputs"]

    io, changed, _ = told["what_if"]
    assert same(io["outputs"][0], {"z": 3})
    assert (io["inputs"], changed) == ({"texts": ["z z z"], "longest": 3}, ["texts"])

    io, changed, _ = told["deep"]
    assert io["outputs"] == [{"a": 10, "b": 5}]
    assert changed == ["weight"]


def test_a_changed_tree_runs_as_other_code_when_asked(
    recorded: Path, script: Script, write_files: Write
) -> None:
    write_files("project", CHANGED)
    told = script(
        """
        import json
        import dalsegno
        from main import main

        fork = dalsegno.rerun("first", task_template=main)
        again = dalsegno.rerun("first")
        of_fork = dalsegno.rerun(fork.name)
        for run in (fork, again, of_fork):
            run.wait()
        print(json.dumps([[run.io()["outputs"][0], run.relation.kind] for run in (fork, again, of_fork)]))
        """,
        cwd=recorded,
        path=(recorded,),
    )
    (fork, fork_kind), (again, again_kind), (of_fork, of_fork_kind) = told
    assert same(fork, {"changed": 2}, "changed")
    assert same(again, {"a": 2, "b": 2, "c": 1})
    assert of_fork == fork
    assert [fork_kind, again_kind, of_fork_kind] == ["fork", "rerun", "rerun"]


def versions(number: int) -> dict[str, str]:
    return {
        "app.py": f"""
            import dalsegno
            from kit import env
            from kit.deep import helper

            @env.task
            async def main(x: int) -> list[int]:
                import kit.lazy

                return [{number}, await nested(x), helper.value(), kit.lazy.VALUE]

            @env.task
            async def nested(x: int) -> int:
                return x * {number}
        """,
        "kit/__init__.py": 'import dalsegno\n\nenv = dalsegno.TaskEnvironment("kit")\n',
        "kit/lazy.py": f"VALUE = {number * 1000}\n",
        "kit/deep/__init__.py": "",
        "kit/deep/helper.py": f"from ..numbers import BASE\n\n\ndef value():\n    return BASE + {number}\n",
        "kit/numbers.py": f"BASE = {number * 100}\n",
    }


def expected(number: int, x: int) -> list[int]:
    return [number, x * number, number * 100 + number, number * 1000]


RECORD = """
    import json, os
    import dalsegno
    from app import main
    run = dalsegno.with_runcontext(name=os.environ["NAME"]).run(main, 1)
    print(json.dumps(run.result()))
"""


def test_three_versions_of_one_package_in_one_process(
    script: Script, write_files: Write, tmp_path: Path
) -> None:
    folders = {number: write_files(f"version{number}", versions(number)) for number in (1, 2, 3)}
    for number in (1, 2):
        told = script(RECORD, cwd=tmp_path, path=(folders[number],), NAME=f"v{number}")
        assert told == expected(number, 1)
        shutil.rmtree(folders[number])
    told = script(
        """
        import json
        import dalsegno
        from app import main

        live = dalsegno.with_runcontext(name="v3").run(main, 1).result()
        again = [dalsegno.rerun(f"v{number}").result() for number in (1, 2, 3)]
        changed = [dalsegno.rerun(f"v{number}", x=7) for number in (3, 2, 1)]
        changed = [run.result() for run in changed]
        nested = [
            dalsegno.rerun(f"v{number}", dalsegno.Run.get(f"v{number}").action().children[0].name, x=5).result()
            for number in (1, 2, 3)
        ]
        fork = dalsegno.rerun("v1", task_template=main).result()
        print(json.dumps([live, again, changed, nested, fork]))
        """,
        cwd=tmp_path,
        path=(folders[3],),
    )
    assert told == [
        expected(3, 1),
        [expected(number, 1) for number in (1, 2, 3)],
        [expected(number, 7) for number in (3, 2, 1)],
        [5, 10, 15],
        expected(3, 1),
    ]


def test_a_failure_of_recorded_code_has_its_class_and_source_lines_when_the_files_are_gone(
    script: Script, write_files: Write, tmp_path: Path
) -> None:
    folder = write_files(
        "project",
        {
            "main.py": """
                import dalsegno
                from errors import QuotaError
                env = dalsegno.TaskEnvironment("e")

                @env.task
                async def main(used: int) -> int:
                    try:
                        return await check(used)
                    except QuotaError as error:
                        raise ValueError("over") from error

                @env.task
                async def check(used: int) -> int:
                    if used > 5:
                        raise QuotaError(limit=5, used=used)
                    return used

                if __name__ == "__main__":
                    dalsegno.with_runcontext(name="bad").run(main, 9).wait()
                    print("0")
            """,
            "errors.py": """
                class QuotaError(Exception):
                    def __init__(self, *, limit, used):
                        super().__init__(f"{used} of {limit}")
                        self.limit = limit
            """,
        },
    )
    script(folder / "main.py", cwd=folder)
    shutil.rmtree(folder)
    told = script(
        """
        import json
        import dalsegno
        old = dalsegno.Run.get("bad")
        try:
            old.action().children[0].result()
        except Exception as error:
            replayed = [type(error).__name__, str(error), error.limit]
        again = dalsegno.rerun("bad")
        again.wait()
        fine = dalsegno.rerun("bad", used=2).result()
        print(json.dumps([replayed, old.failure.text, again.phase, again.failure.text, fine]))
        """,
        cwd=tmp_path,
    )
    replayed, old, phase, new, fine = told
    assert replayed == ["QuotaError", "9 of 5", 5]
    assert (phase, fine) == ("failed", 2)
    for text in (old, new):
        assert "raise QuotaError(limit=5, used=used)" in text
        assert 'raise ValueError("over") from error' in text
        assert "ValueError: over" in text


def test_functions_without_a_file_are_run_again(script: Script, tmp_path: Path) -> None:
    assert script(
        """
        import dalsegno
        env = dalsegno.TaskEnvironment("repl")
        FACTOR = 3

        def helper(x):
            return x * FACTOR

        @env.task
        async def main(x: int) -> int:
            return await leaf(x) + 1

        @env.task
        async def leaf(x: int) -> int:
            return helper(x)

        print(dalsegno.with_runcontext(name="cell").run(main, 2).result())
        """,
        cwd=tmp_path,
    ) == 7  # fmt: skip
    told = script(
        """
        import json
        import dalsegno
        nested = dalsegno.Run.get("cell").action().children[0].name
        runs = dalsegno.rerun("cell"), dalsegno.rerun("cell", x=10), dalsegno.rerun("cell", nested, x=4)
        print(json.dumps([run.result() for run in runs]))
        """,
        cwd=tmp_path,
    )
    assert told == [7, 31, 12]


TYPED = """
    import dalsegno
    env = dalsegno.TaskEnvironment("typed")

    @env.task
    def main(x: int) -> int:
        import lazy_help
        return x + lazy_help.MORE

    print(dalsegno.with_runcontext(name="lazy").run(main, 1).result())
"""
INSIDE = """
    import dalsegno
    env = dalsegno.TaskEnvironment("typed")

    def made():
        @env.task
        def main(x: int) -> int:
            import lazy_help
            return x + lazy_help.MORE
        return main

    if __name__ == "__main__":
        print(dalsegno.with_runcontext(name="lazy").run(made(), 1).result())
"""


@pytest.mark.parametrize("code", [TYPED, INSIDE], ids=["typed", "inside"])
def test_a_function_without_a_name_keeps_what_it_imports(
    script: Script, write_files: Write, tmp_path: Path, code: str
) -> None:
    folder = write_files("project", {"lazy_help.py": "MORE = 5\n", "own.py": code})
    assert script(code if code is TYPED else folder / "own.py", cwd=folder) == 6
    shutil.rmtree(folder)
    again = "import dalsegno\nprint(dalsegno.rerun('lazy', x=10).result())"
    assert script(again, cwd=tmp_path) == 15


def test_a_rerun_in_a_process_of_its_own(recorded: Path, script: Script, tmp_path: Path) -> None:
    shutil.rmtree(recorded)
    told = script(
        """
        import json
        import dalsegno
        run = dalsegno.with_runcontext(isolation="process", name="apart").rerun("first", texts=["q"])
        run.wait()
        try:
            dalsegno.with_runcontext(isolation="process").rerun("first", texts=5)
        except dalsegno.errors.InputError as error:
            refused = str(error)
        print(json.dumps([run.name, run.phase, run.io()["outputs"][0], refused]))
        """,
        cwd=tmp_path,
    )
    name, phase, shown, refused = told
    assert (name, phase) == ("apart", "succeeded")
    assert same(shown, {"q": 1})
    assert "texts" in refused


KILLED = {
    "flow.py": """
        import os
        import signal

        import dalsegno

        env = dalsegno.TaskEnvironment("flow")

        @env.task
        def step(n: int) -> int:
            return n * n

        @env.task
        def main(count: int) -> int:
            for n in range(count):
                os.write(1, f"{n} {step(n)}\\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)
            return 0

        if __name__ == "__main__":
            dalsegno.init("store")
            dalsegno.with_runcontext(name="killed").run(main, 50).wait()
    """
}


def test_what_was_seen_completed_is_there_after_a_kill(write_files: Write, script: Script) -> None:
    folder = write_files("tree", KILLED)
    status, printed = script(
        """
        import json, subprocess, sys
        ended = subprocess.run([sys.executable, "flow.py"], stdout=subprocess.PIPE, text=True)
        print(json.dumps([ended.returncode, ended.stdout]))
        """,
        cwd=folder,
    )
    assert status == -signal.SIGKILL
    assert [line.split() for line in printed.splitlines()] == [[str(n), str(n * n)] for n in range(50)]
    found = script(
        """
        import json, dalsegno
        dalsegno.init("store")
        run = dalsegno.Run.get("killed")
        steps = [action for action in run.actions() if action.task == "flow.step"]
        print(json.dumps([[a.inputs()["n"], a.outputs()[0], str(a.phase)] for a in steps]))
        """,
        cwd=folder,
    )
    assert found == [[n, n * n, "succeeded"] for n in range(50)]
