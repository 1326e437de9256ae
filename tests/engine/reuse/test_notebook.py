"""Tasks of a notebook or shell count the values that the user's modules have, however they got them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Script = Callable[..., Any]
Write = Callable[..., Path]

SHOP = """
import logging, threading
log = logging.getLogger(__name__)
lock = threading.Lock()
SETTINGS = {"rate": 1}
TABLE = [[1], [2]]
class Thing:
    factor = 1
    def __init__(self): self.n = 1
thing = Thing()
def rate():
    with lock:
        log.debug("asked")
        return SETTINGS["rate"] * bonus.__dict__.get("times", 1) * Thing.factor * thing.n
def bonus(): return 0
def unrelated(): return NOISE
NOISE = {}
"""

CELL = """
import json, dalsegno, shop
env = dalsegno.TaskEnvironment("cells")
@env.task
def direct() -> int:
    return shop.TABLE[0][0]
@env.task
def behind() -> int:
    return shop.rate()
@env.task
def main() -> int:
    return direct() + behind()
def again():
    run = dalsegno.rerun("first", task_template=main, recover=True)
    run.wait()
    executed = sorted(each.task.partition(".")[2] for each in run.actions() if each.phase == "succeeded")
    return [run.result(), *executed]
"""

CHANGES = {
    "shop.NOISE['x'] = 1": [2],
    "shop.TABLE[0][0] = 5": [6, "direct", "main"],
    "shop.TABLE[0][0] = 1": [2],
    "shop.SETTINGS['rate'] = 5": [6, "behind", "main"],
    "shop.SETTINGS['rate'] = 1; shop.bonus.times = 3": [4, "behind", "main"],
    "del shop.bonus.times; shop.Thing.factor = 4": [5, "behind", "main"],
    "shop.Thing.factor = 1; shop.thing.n = 7": [8, "behind", "main"],
    "shop.thing.n = 1; kept = shop.rate; shop.rate = lambda: 9": [10, "behind", "main"],
    "shop.rate = kept": [2],
    "shop.SETTINGS['rate'] = True; shop.SETTINGS['file'] = open('shop.py')": [2, "behind", "main"],
}


def test_what_is_changed_in_a_users_module_counts(write_files: Write, script: Script) -> None:
    root = write_files("cells", {"shop.py": SHOP})
    code = f"{CELL}\nassert dalsegno.with_runcontext(name='first').run(main).result() == 2\n"
    changes = "".join(f"{change}\nshown.append(again())\n" for change in CHANGES)
    last = "shop.SETTINGS['file'].close()\nprint(json.dumps(shown))"
    assert script(f"{code}shown = []\n{changes}{last}", cwd=root) == list(CHANGES.values())
    assert script(f"{CELL}\nprint(json.dumps(again()))", cwd=root) == [2]
    (root / "shop.py").write_text(SHOP.replace("[[1], [2]]", "[[1], [3]]"))
    assert script(f"{CELL}\nprint(json.dumps(again()))", cwd=root) == [2, "direct", "main"]
    assert script("import json, dalsegno\nprint(dalsegno.rerun('first').result())", cwd=root.parent) == 2
