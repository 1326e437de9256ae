"""Verifying runs: executed again on the same inputs with the same code, do they do what is recorded?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dalsegno._blocking import block
from dalsegno._default import default_engine, in_portal
from dalsegno._identity import ROOT_NAME
from dalsegno._verify import Verification, verify_run
from dalsegno.runs import Run

__all__ = ["Verify", "verify"]


class Verify:
    """Execute a run again and compare by value: `verify(run)`, or `await verify.aio(run)`.

    Recorded code, inputs and variables are used, and what `dalsegno.durable` gave. The first actions that differ are named, with
    the places in which their results do, and the likeliest cause. With `action` only that one is executed, and what is below it;
    with `each` every action is executed alone, its calls answered from the record. `times` says how often; `process` has it
    done in processes of their own, and `hash_seed` in two or more with other hash seeds. The record stays as it is, and the new
    executions are not recorded, unless `keep` is given: then they are runs with the label "dalsegno.verify". `env_vars` are those
    of the run whose values are secret and were not recorded.

    Bodies really run: what they do to the world outside, they do again. Raises RunNotFoundError, ActionNotFoundError,
    UsageError for a run without an outcome, and BundleLoadError.
    """

    def __call__(
        self,
        run: Run[Any] | str,
        *,
        action: str = ROOT_NAME,
        times: int = 1,
        each: bool = False,
        hash_seed: bool = False,
        process: bool = False,
        keep: bool = False,
        env_vars: Mapping[str, str] | None = None,
    ) -> Verification:
        return block(
            lambda: verify_run(
                default_engine(),
                run if isinstance(run, str) else run.name,
                action,
                times=times,
                each=each,
                hash_seed=hash_seed,
                process=process,
                keep=keep,
                env_vars=env_vars,
            )
        )

    async def aio(
        self,
        run: Run[Any] | str,
        *,
        action: str = ROOT_NAME,
        times: int = 1,
        each: bool = False,
        hash_seed: bool = False,
        process: bool = False,
        keep: bool = False,
        env_vars: Mapping[str, str] | None = None,
    ) -> Verification:
        """The awaitable form."""
        return await in_portal(
            lambda: verify_run(
                default_engine(),
                run if isinstance(run, str) else run.name,
                action,
                times=times,
                each=each,
                hash_seed=hash_seed,
                process=process,
                keep=keep,
                env_vars=env_vars,
            )
        )


verify = Verify()
