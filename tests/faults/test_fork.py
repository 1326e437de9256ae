"""A task that forks: the child cannot write to the store, and the parent goes on as if nothing had happened."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Script = Callable[..., Any]

FORKS = """
    import json, multiprocessing, os
    import dalsegno
    from dalsegno import maintenance
    from dalsegno.errors import StoreForkedError
    from dalsegno_storage import open_store

    env = dalsegno.TaskEnvironment("forks")

    @env.task
    def leaf(n: int) -> int:
        return n + 1

    def tried(n):
        \"""What the child may do with the store of its parent: nothing.\"""
        errors = []
        for attempt in (
            lambda: leaf(n),                                     # a nested call would be recorded
            lambda: dalsegno.run(leaf, n),
            lambda: dalsegno.Run.get("r"),
            lambda: open_store("store"),
        ):
            try:
                errors.append(repr(attempt()))
            except StoreForkedError as error:
                errors.append("refused")
            except BaseException as error:
                errors.append(repr(error))
        return errors

    @env.task
    def forking(n: int) -> list[str]:
        back, there = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(there, json.dumps(tried(n)).encode())
            os._exit(0)
        os.close(there)
        leaf(n)
        told = os.read(back, 10_000)
        assert os.waitpid(child, 0)[1] == 0
        os.close(back)
        return json.loads(told)

    @env.task
    def pooling(n: int) -> list[str]:
        with multiprocessing.get_context("fork").Pool(1) as pool:
            told = pool.apply(tried, (n,))
        leaf(n)
        return told

    if __name__ == "__main__":
        dalsegno.init("store")
        run = dalsegno.with_runcontext(name="r").run({task}, 1)
        told = run.result()
        store = open_store("store", create=False)
        clean = maintenance.check(store).is_clean
        names = [found.name for found in dalsegno.Run.listall()]
        steps = [[a.task, str(a.phase)] for a in run.actions()]
        again = dalsegno.run(leaf, 5).result()
        print(json.dumps([told, clean, names, steps, again]))
"""


@pytest.mark.parametrize("task", ["forking", "pooling"])
def test_a_child_cannot_write_and_the_parent_goes_on(script: Script, tmp_path: Path, task: str) -> None:
    told, clean, names, steps, again = script(
        FORKS.replace("{task}", task), cwd=tmp_path, PYTHONWARNINGS="error,ignore::DeprecationWarning"
    )
    assert told == ["refused"] * 4
    assert clean
    assert names == ["r"]
    assert steps == [[f"forks.{task}", "succeeded"], ["forks.leaf", "succeeded"]]
    assert again == 6
