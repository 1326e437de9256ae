"""No secret reaches the store: not from the environment, from what tasks print, log and raise, or by a rerun."""

import hashlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dalsegno import Engine, RetryStrategy, TaskEnvironment
from dalsegno._records import ACTIONS
from dalsegno._redaction import MASK
from dalsegno.errors import ConfigError, UsageError
from dalsegno_storage.check import digest_of, kind_of
from dalsegno_storage.memory import MemoryStore
from dalsegno_storage.objects import get_object

Play = Callable[..., Any]
# Put together, since the text of this file is recorded as code.
SECRET = " ".join(("correct", "horse", "battery"))
OTHER = "an0ther-{}".format("pass")
UNASKED = " ".join(("that", "nobody", "asked", "for"))
KEY = "_".join(("ghp", "0123456789abcdefghij"))
env = TaskEnvironment("privacy", env_vars={"SERVICE_TOKEN": "svc-" + SECRET[::-1], "PLAIN": "plainly"})
logger = logging.getLogger("tests.dalsegno.privacy")


class LoginError(Exception):
    def __init__(self, message: str, password: str) -> None:
        super().__init__(message, {"user": "me", "password": password})
        self.password = password
        self.tried = [password]


class Holder:
    def __init__(self, text: str) -> None:
        self.text = text


class HolderError(ValueError):
    """Keeps a secret where it is not looked for."""


def bytes_of(store: MemoryStore) -> bytes:
    """All that is in a store, objects as they were before they were compressed."""
    found = []
    with store.read() as reader:
        for key, value in reader.scan():
            found += [key, value]
            digest = digest_of(key)
            if digest is not None:
                found.append(get_object(reader, kind_of(value), digest))
    return b"\n".join(found)


def holds(store: MemoryStore, secret: str) -> bool:
    return secret.encode() in bytes_of(store)


def seen() -> dict[str, str]:
    return {
        name: value for name in ("DB_PASSWORD", "SERVICE_TOKEN", "PLAIN") if (value := os.environ.get(name))
    }


@env.task
async def careless(how: str) -> str:
    secret = os.environ["DB_PASSWORD"]
    if how == "print":
        print("connecting with", secret)
        print("in pieces:", end=" ")
        for letter in secret:
            sys.stdout.write(letter)
        print()
        print({"x": secret}, file=sys.stderr)
    elif how == "log":
        logger.warning("using %s", secret)
        logger.warning("url postgres://me:%s@host/db", OTHER)
    elif how == "raise":
        raise LoginError(f"{secret} was refused", secret)
    elif how == "chain":
        try:
            raise KeyError(secret)
        except KeyError as error:
            raise RuntimeError("outer") from error
    elif how == "hold":
        raise HolderError(Holder(secret))
    elif how == "group":
        raise ExceptionGroup("several", [ValueError(secret), LoginError("x", secret)])
    return how


@env.task
async def parent(how: str) -> str:
    try:
        return await careless(how)
    except Exception as error:
        return type(error).__name__


HOW = ["print", "log", "raise", "chain", "hold", "group"]


@pytest.mark.parametrize("how", HOW)
def test_what_a_task_is_given_as_a_secret_is_in_no_byte_of_the_store(
    play: Play, store: MemoryStore, how: str
) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.with_runcontext(env_vars={"DB_PASSWORD": SECRET, "NAME": "value"}).run(parent, how)
        await run.wait.aio()
        assert run.env_vars == {"DB_PASSWORD": MASK, "NAME": "value"}
        names = {
            "raise": "LoginError",
            "chain": "RuntimeError",
            "hold": "HolderError",
            "group": "ExceptionGroup",
        }
        assert await run.result.aio() == names.get(how, how)
        if how in ("print", "log"):
            (child,) = [action for action in run.actions() if action.name != "a0"]
            assert MASK in "".join(line.text for line in child.logs())

    play(story)
    assert not holds(store, SECRET)
    assert not holds(store, OTHER)
    assert holds(store, "value")


def test_a_replayed_failure_has_its_class_and_no_secret(play: Play, store: MemoryStore) -> None:
    async def story(engine: Engine) -> None:
        context = engine.with_runcontext(env_vars={"DB_PASSWORD": SECRET})
        for how, kind in (("raise", LoginError), ("hold", HolderError)):
            run = await context.run(careless, how)
            await run.wait.aio()
            with pytest.raises(kind) as caught:
                await engine.get_run(run.name).result.aio()
            assert SECRET not in str(caught.value)
            if isinstance(caught.value, LoginError):
                assert caught.value.password == MASK
                assert caught.value.tried == [MASK]

    play(story)


def test_the_code_sees_the_true_value_and_a_rerun_wants_it_again(
    play: Play, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(engine: Engine) -> None:
        first = await engine.with_runcontext(env_vars={"DB_PASSWORD": SECRET}).run(shows)
        assert await first.result.aio() == [len(SECRET), len(SECRET) + 4]
        with pytest.raises(UsageError, match=f"{first.name}.* DB_PASSWORD.*--env"):
            await engine.rerun(first.name)
        again = await engine.with_runcontext(env_vars={"DB_PASSWORD": "12345678"}).rerun(first.name)
        assert await again.result.aio() == [8, len(SECRET) + 4]
        monkeypatch.setenv("DB_PASSWORD", "123456789")
        again = await engine.rerun(first.name)
        assert await again.result.aio() == [9, len(SECRET) + 4]
        assert again.env_vars == {"DB_PASSWORD": MASK}

    play(story)
    assert not holds(store, SECRET)
    assert not holds(store, SECRET[::-1])


@env.task
async def shows() -> list[int]:
    return [len(os.environ["DB_PASSWORD"]), len(os.environ["SERVICE_TOKEN"])]


@env.task
async def reads(x: int) -> int:
    executed.append(os.environ["DB_PASSWORD"])
    return x


executed: list[str] = []


@env.task
async def overrides(token: str) -> int:
    return await reads_token.override(env_vars={"OWN_TOKEN": token})()


@env.task
async def reads_token() -> int:
    return len(os.environ.get("OWN_TOKEN", ""))


def test_secret_settings_of_a_task_come_from_its_code_or_the_process(
    play: Play, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(overrides, "abc-def-ghi")
        assert await run.result.aio() == 11
        child = run.actions()[1].name
        assert await (await engine.rerun(run.name, child)).result.aio() == 0
        given = engine.with_runcontext(env_vars={"OWN_TOKEN": "12345"})
        assert await (await given.rerun(run.name, child)).result.aio() == 5
        monkeypatch.setenv("OWN_TOKEN", "1234567")
        assert await (await engine.rerun(run.name, child)).result.aio() == 7

    play(story)


def test_a_changed_secret_is_noticed_by_reuse(play: Play, store: MemoryStore) -> None:
    async def story(engine: Engine) -> None:
        executed.clear()
        context = engine.with_runcontext(env_vars={"DB_PASSWORD": SECRET})
        first = await context.run(reads, 1)
        await first.wait.aio()
        same = await context.rerun(first.name, recover=True)
        await same.wait.aio()
        assert executed == [SECRET]
        other = await engine.with_runcontext(env_vars={"DB_PASSWORD": "another one"}).rerun(
            first.name, recover=True
        )
        await other.wait.aio()
        assert executed == [SECRET, "another one"]

    play(story)
    for plain in (SECRET, f"DB_PASSWORD={SECRET}"):
        assert hashlib.sha256(plain.encode()).digest()[:16] not in bytes_of(store)


def test_variables_of_the_process_are_not_recorded(
    play: Play, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", SECRET)
    monkeypatch.setenv("SOMETHING_ELSE", UNASKED)

    async def story(engine: Engine) -> None:
        for how in HOW:
            await (await engine.run(parent, how)).wait.aio()

    play(story)
    assert not holds(store, SECRET)
    assert not holds(store, UNASKED)


@env.task
async def takes(user: str, password: str) -> None:
    print(f"{user} and {password}")
    raise ValueError(f"{user} and {password}")


def test_inputs_are_recorded_as_they_are_and_taken_out_of_logs_and_errors(
    play: Play, store: MemoryStore
) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.run(takes, "somebody", password=SECRET)
        await run.wait.aio()
        assert run.inputs() == {"user": "somebody", "password": SECRET}
        assert "".join(line.text for line in run.logs()) == f"somebody and {MASK}\n"
        again = await engine.rerun(run.name)
        await again.wait.aio()
        assert "".join(line.text for line in again.logs()) == f"somebody and {MASK}\n"
        for each in (run, again):
            failure = each.action().record.failure
            assert failure is not None
            assert failure.message == f"somebody and {MASK}"
            assert SECRET.encode() not in failure.state + failure.text.encode()

    play(story)


@env.task(retries=RetryStrategy(1))
async def fails_twice() -> None:
    raise ValueError(KEY)


def test_errors_of_attempts_are_without_secrets_too(play: Play, store: MemoryStore) -> None:
    async def story(engine: Engine) -> None:
        await (await engine.run(fails_twice)).wait.aio()

    play(story)
    with store.read() as reader:
        records = [value for key, value in reader.scan() if key[:1] == ACTIONS[0]]
    assert records
    assert not any(KEY.encode() in record for record in records)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    secret=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=8).filter(
        lambda text: text == text.strip() and len(text.splitlines()) == 1
    ),
    how=st.lists(st.sampled_from(HOW), min_size=1, max_size=3),
)
def test_no_planted_secret_is_in_any_byte_of_the_store(secret: str, how: list[str]) -> None:
    store = MemoryStore()

    async def main() -> None:
        async with Engine(store) as engine:
            for each in how:
                context = engine.with_runcontext(env_vars={"DB_PASSWORD": f"pw-{secret}-wp"})
                await (await context.run(parent, each)).wait.aio()

    anyio.run(main)
    assert not holds(store, f"pw-{secret}-wp")


def test_no_file_of_a_store_has_a_secret(play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_PASSWORD", OTHER)

    async def story(engine: Engine) -> None:
        context = engine.with_runcontext(env_vars={"DB_PASSWORD": SECRET}, durability="relaxed")
        for how in HOW:
            await (await context.run(parent, how)).wait.aio()

    play(story, store=tmp_path / "store")
    content = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())
    assert b"connecting with" in content
    assert SECRET.encode() not in content
    assert OTHER.encode() not in content


def test_an_engine_may_keep_everything(play: Play, store: MemoryStore) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.with_runcontext(env_vars={"DB_PASSWORD": SECRET}).run(parent, "print")
        await run.wait.aio()
        assert run.env_vars == {"DB_PASSWORD": SECRET}
        assert SECRET in "".join(line.text for line in run.logs())

    play(story, redact=False)


def test_an_engine_may_take_out_more(play: Play, store: MemoryStore) -> None:
    async def story(engine: Engine) -> None:
        run = await engine.with_runcontext(env_vars={"DB_PASSWORD": SECRET}).run(parent, "log")
        await run.wait.aio()
        assert "using" not in "".join(line.text for line in run.logs())

    play(story, redact=[r"\busing\b"])
    with pytest.raises(ConfigError, match="redact"):
        Engine("memory:", redact=["("])
