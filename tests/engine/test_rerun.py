"""Runs from records: what is taken over, what may be changed, and what is said about it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest

from dalsegno import Engine, Phase, Run, TaskEnvironment, ctx
from dalsegno.errors import InputError, RunNotFoundError
from dalsegno.models import Relation

Play = Callable[..., Any]
Content = Callable[[], dict[bytes, bytes]]
env = TaskEnvironment("rerun")


class Mode(Enum):
    FAST = "fast"
    SLOW = "slow"


@dataclass
class Settings:
    rate: float
    mode: Mode = Mode.FAST


@env.task
async def scale(x: int, factor: int = 10) -> int:
    return x * factor


@env.task
async def scale_all(x_list: list[int], factor: int = 10) -> list[int]:
    return [await scale(x, factor) for x in x_list]


@env.task
async def main(x_list: list[int], settings: Settings | None = None) -> int:
    return sum(await scale_all(x_list)) + (1000 if settings and settings.mode is Mode.SLOW else 0)


async def value(run: Run[Any]) -> Any:
    return await run.result.aio()


def test_the_root_again(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.run(main, [1, 2], Settings(0.5))
        assert await value(first) == 30
        again = await engine.rerun(first.name)
        assert await value(again) == 30
        assert again.name != first.name
        assert again.inputs() == {"x_list": [1, 2], "settings": Settings(0.5)}
        assert again.task == first.task
        assert again.record.template == first.record.template
        assert [(action.name, action.key, action.io()) for action in again.actions()] == [
            (action.name, action.key, action.io()) for action in first.actions()
        ]
        assert again.relation == Relation(
            kind="rerun",
            run=first.name,
            project="default",
            domain="development",
            action="a0",
            changed_inputs=(),
            source_code_digest=first.record.code_digest,
            code_digest=first.record.code_digest,
        )

    play(story)


def test_a_nested_action_as_a_run_of_its_own(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.run(main, [1, 2])
        assert await value(first) == 30
        scaled, one, two = first.actions()[1:]
        again = await engine.rerun(first.name, scaled.name)
        assert await value(again) == [10, 20]
        assert again.task == "rerun.scale_all"
        assert [action.key for action in again.actions()[1:]] == [one.key, two.key]
        assert again.relation is not None
        assert (again.relation.action, again.relation.run) == (scaled.name, first.name)
        leaf = await engine.rerun(first.name, two.name, factor=3)
        assert await value(leaf) == 6
        assert len(leaf.actions()) == 1
        assert leaf.relation is not None
        assert leaf.relation.changed_inputs == ("factor",)
        deeper = await engine.rerun(again.name, again.action().children[0].name, x=7)
        assert await value(deeper) == 70

    play(story)


def test_inputs_that_are_changed_are_converted_and_the_rest_is_kept_byte_for_byte(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.run(main, [1, 2], Settings(0.5))
        await first.wait.aio()
        again = await engine.rerun(first.name, x_list=(3, 4))  # a tuple for a list
        assert await value(again) == 70
        assert again.inputs() == {"x_list": [3, 4], "settings": Settings(0.5)}
        assert again.relation is not None
        assert again.relation.changed_inputs == ("x_list",)
        slow = await engine.rerun(first.name, settings={"rate": 1, "mode": "SLOW"})
        assert await value(slow) == 1030
        assert slow.inputs()["settings"] == Settings(1.0, Mode.SLOW)
        same = await engine.rerun(first.name, x_list=[1, 2])
        assert await value(same) == 30
        assert same.relation is not None
        assert same.relation.changed_inputs == ()  # given, but equal
        assert same.action().record.inputs == first.action().record.inputs

    play(story)


@env.task
async def collides(run_name: str, action_name: str, inputs: int, task_template: int = 0) -> str:
    return f"{run_name} {action_name} {inputs} {task_template}"


def test_inputs_reach_names_that_collide_with_parameters(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.run(collides, "r", "a", 1)
        assert await value(first) == "r a 1 0"
        changed = {"run_name": "R", "inputs": 2, "task_template": 5}
        again = await engine.rerun(first.name, inputs=changed)
        assert await value(again) == "R a 2 5"
        assert again.relation is not None
        assert again.relation.changed_inputs == ("inputs", "run_name", "task_template")

    play(story)


def test_wrong_changes_are_listed_all_at_once_with_the_known_names(play: Play, content: Content) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.run(main, [1])
        await first.wait.aio()
        before = content()
        with pytest.raises(InputError) as raised:
            await engine.rerun(first.name, x_list=["a", 2, "c"], y=1)
        problems = [(problem.input, problem.path) for problem in raised.value.problems]
        assert sorted(problems) == [("x_list", "0"), ("x_list", "2"), ("y", "")]
        assert "settings" in str(raised.value)
        assert content() == before

    play(story)


@env.task
async def sees() -> dict[str, str]:
    here = ctx()
    return {**here.env_vars, **here.labels, **here.custom_context}


def test_settings_of_the_source_are_inherited_and_merged(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.with_runcontext(
            name="first",
            env_vars={"A": "1", "B": "1"},
            labels={"l": "1", "m": "1"},
            custom_context={"c": "1"},
        ).run(sees)
        assert await value(first) == {"A": "1", "B": "1", "l": "1", "m": "1", "c": "1"}
        plain = await engine.rerun("first")
        assert await value(plain) == await value(first)
        changed = await engine.with_runcontext(
            name="retry-1", env_vars={"B": "2", "C": "3"}, labels={"m": "2"}, custom_context={"d": "2"}
        ).rerun("first")
        assert changed.name == "retry-1"
        assert await value(changed) == {
            "A": "1", "B": "2", "C": "3", "l": "1", "m": "2", "c": "1", "d": "2",
        }  # fmt: skip
        assert changed.env_vars == {"A": "1", "B": "2", "C": "3"}
        assert changed.labels == {"l": "1", "m": "2"}
        assert first.env_vars == {"A": "1", "B": "1"}

    play(story)


def test_project_and_domain_are_those_of_the_source_unless_given(play: Play) -> None:
    async def story(engine: Engine) -> None:
        elsewhere = engine.with_runcontext(project="p", domain="d", name="x")
        await (await elsewhere.run(scale, 1)).wait.aio()
        here = engine.with_runcontext(name="x")
        await (await here.run(scale, 2)).wait.aio()
        again = await engine.rerun("x")
        assert (again.project, again.domain, await value(again)) == ("default", "development", 20)
        again = await engine.with_runcontext(project="p", domain="d").rerun("x")
        assert (again.project, again.domain, await value(again)) == ("p", "d", 10)
        # a run that is only here can be rerun into another project
        await (await engine.with_runcontext(name="only").run(scale, 3)).wait.aio()
        moved = await engine.with_runcontext(project="p", domain="d").rerun("only")
        assert (moved.project, moved.domain, await value(moved)) == ("p", "d", 30)
        assert moved.relation is not None
        assert (moved.relation.project, moved.relation.domain) == ("default", "development")
        with pytest.raises(RunNotFoundError):
            await engine.with_runcontext(project="q").rerun("nowhere")

    play(story)


fixed_env = TaskEnvironment("fixed")


@fixed_env.task
async def fixed(x_list: list[int], bonus: int = 5) -> int:
    """Like `main`, without its input `settings` and with another."""
    return sum(x_list) + bonus


@fixed_env.task
async def wants_more(x_list: list[int], must: str) -> str:
    return must * len(x_list)


@fixed_env.task
async def other_type(x_list: list[str]) -> int:
    return len(x_list)


def test_other_code_takes_the_recorded_inputs(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.run(main, [1, 2], Settings(0.5))
        await first.wait.aio()
        fork = await engine.rerun(first.name, task_template=fixed)
        assert await value(fork) == 8
        assert fork.task == "fixed.fixed"
        assert fork.inputs() == {"x_list": [1, 2], "bonus": 5}
        relation = fork.relation
        assert relation is not None
        assert (relation.kind, relation.action) == ("fork", "a0")
        assert relation.changed_inputs == ("bonus", "settings")
        assert relation.source_code_digest == first.record.code_digest
        assert relation.code_digest == fork.record.code_digest != first.record.code_digest
        both = await engine.rerun(first.name, task_template=fixed, x_list=[5], bonus=1)
        assert await value(both) == 6
        nested = await engine.rerun(first.name, first.actions()[1].name, task_template=fixed)
        assert await value(nested) == 8
        again = await engine.rerun(fork.name)  # the fork's own code
        assert await value(again) == 8
        assert again.relation is not None
        assert again.relation.kind == "rerun"

    play(story)


def test_other_code_that_wants_what_is_not_recorded(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.run(main, [1, 2])
        await first.wait.aio()
        with pytest.raises(InputError, match="must: expected .*, got nothing"):
            await engine.rerun(first.name, task_template=wants_more)
        given = await engine.rerun(first.name, task_template=wants_more, must="ab")
        assert await value(given) == "abab"
        with pytest.raises(InputError) as raised:
            await engine.rerun(first.name, task_template=other_type)
        assert [problem.path for problem in raised.value.problems] == ["0", "1"]
        with pytest.raises(InputError, match="settings"):
            await engine.rerun(first.name, task_template=fixed, settings=None)

    play(story)


@env.task
async def fails_for(x: int, bad: int) -> int:
    if x == bad:
        raise ValueError(f"{x} is bad")
    return x


@env.task
async def outer(x: int, bad: int) -> int:
    return await fails_for(x, bad)


@fixed_env.task
async def never_fails(x: int, bad: int) -> int:
    return x - bad


def test_a_failed_run_and_its_failed_action_can_be_run_again(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.run(outer, 1, 1)
        await first.wait.aio()
        assert first.phase is Phase.FAILED
        again = await engine.rerun(first.name)
        with pytest.raises(ValueError, match="1 is bad"):
            await value(again)
        assert await value(await engine.rerun(first.name, bad=2)) == 1
        failed = first.action().children[0]
        assert await value(await engine.rerun(first.name, failed.name, x=4)) == 4
        assert await value(await engine.rerun(first.name, failed.name, task_template=never_fails)) == 0

    play(story)


def test_settings_of_an_overridden_task_come_with_its_action(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.run(scale.override(short_name="times", retries=3), 2)
        await first.wait.aio()
        again = await engine.rerun(first.name)
        assert await value(again) == 20
        assert again.record.template == first.record.template
        assert again.template.short_name == "times"

    play(story)


def test_recorded_code_beside_the_live_code(play: Play) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.run(main, [1, 2], Settings(0.5, Mode.SLOW))
        assert await value(first) == 1030
        private = await engine.with_runcontext(isolation="private").rerun(first.name)
        assert await value(private) == 1030
        assert private.record.template == first.record.template
        assert [action.key for action in private.actions()] == [action.key for action in first.actions()]
        assert [action.record.outputs for action in private.actions()] == [
            action.record.outputs for action in first.actions()
        ]

    play(story)


def test_a_rerun_of_a_rerun_of_a_rerun(play: Play) -> None:
    async def story(engine: Engine) -> None:
        run: Run[Any] = await engine.run(scale, 1)
        for x in range(2, 6):
            await run.wait.aio()
            previous, run = run, await engine.rerun(run.name, x=x)
            assert await value(run) == x * 10
            assert run.relation is not None
            assert run.relation.run == previous.name
            assert [found.name for found in engine.list_runs(source_run=previous.name)] == [run.name]

    play(story)
