"""What tasks change while they run counts for those that read it; what they only use together ties nothing."""

import pytest
from tests.engine.closure.sources import files, reach

PROGRAM = """
    # file: main.py
    import dalsegno
    import shared
    from shared import CONFIG, Model, plain, client, LIMIT
    from again import HISTORY

    env = dalsegno.TaskEnvironment("x")

    @env.task
    def before():
        {change}

    @env.task
    def after():
        return {read}

    # file: shared.py
    import re
    CONFIG = {{"a": 1}}
    HISTORY = []
    LIMIT = 1
    ALIAS = CONFIG
    client = connect()
    class Model:
        level = 1
        def change(self):
            self.level = 2
    def plain():
        return CONFIG

    # file: again.py
    from shared import *
"""


@pytest.mark.parametrize(
    ("change", "read", "counts"),
    [
        ("CONFIG['a'] = 5", "CONFIG", True),
        ("CONFIG['a'] = 5", "plain()", True),
        ("shared.CONFIG['a'] = 5", "shared.CONFIG", True),
        ("CONFIG['a'] += 5", "CONFIG", True),
        ("del CONFIG['5']", "CONFIG", True),
        ("CONFIG.update(a=5)", "CONFIG", True),
        ("c = CONFIG\n        c['a'] = 5", "CONFIG", True),
        ("HISTORY.append(5)", "HISTORY", True),
        ("HISTORY.append(5)", "shared.HISTORY", True),
        ("Model.level = 5", "Model.level", True),
        ("setattr(Model, 'level', 5)", "Model.level", True),
        ("shared.Model.level += 5", "Model.level", True),
        ("m = Model()\n        m.level = 5", "LIMIT", False),
        ("shared.LIMIT = 5", "shared.LIMIT", True),
        ("setattr(shared, 'LIMIT', 5)", "shared.LIMIT", True),
        ("shared.plain = lambda: 5", "shared.plain()", True),
        ("m = Model\n        m.level = 5", "Model.level", True),
        ("for m in (Model, int):\n            m.level = 5", "Model.level", True),
        ("client.send(5)", "client", False),
        ("CONFIG.get(5)", "CONFIG", False),
        ("return CONFIG['a'] == 5", "CONFIG", False),
        ("return Model.level == 5", "Model.level", False),
        ("other = {}\n        other['a'] = 5", "CONFIG", False),
    ],
)
def test_what_a_task_changes_counts_for_those_that_read_it(change: str, read: str, counts: bool) -> None:
    program = files(PROGRAM.format(change=change, read=read))
    edited = {**program, "main.py": program["main.py"].replace("5", "6")}
    assert program != edited
    assert (reach(program, "main:after").digest != reach(edited, "main:after").digest) is counts
