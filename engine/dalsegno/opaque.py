"""Settings of Flyte 2 that mean nothing inside one process.

They are accepted, recorded in the task template and shown, so that an orchestrator which embeds the engine can act
on them, and so that a file written for Flyte 2 runs after a change of import. The engine itself ignores them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Image", "PodTemplate", "Resources", "ReusePolicy", "Secret"]


class Resources(NamedTuple):
    """What a task asks of a machine."""

    cpu: Any = None
    memory: Any = None
    gpu: Any = None
    disk: Any = None
    shm: Any = None


class Secret(NamedTuple):
    """The name of a secret that a task wants; never its value."""

    key: str
    group: str | None = None
    mount: Any = None
    as_env_var: str | None = None


class ReusePolicy(NamedTuple):
    """How an orchestrator may keep a task's container warm."""

    replicas: Any = 1
    idle_ttl: Any = None
    concurrency: int = 1
    scaledown_ttl: Any = None
    scope: str | None = None


class PodTemplate(NamedTuple):
    """A pod description."""

    pod_spec: Any = None
    primary_container_name: str = "primary"
    labels: Any = None
    annotations: Any = None


class Image:
    """A container image as the chain of calls that would build it.

    `Image.from_debian_base().with_pip_packages("numpy")` is recorded call by call; nothing is built.
    """

    __slots__ = ("calls",)

    def __init__(
        self, calls: tuple[tuple[str, tuple[Any, ...], tuple[tuple[str, Any], ...]], ...] = ()
    ) -> None:
        self.calls = calls

    def _then(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Image:
        return Image((*self.calls, (name, args, tuple(sorted(kwargs.items())))))

    @classmethod
    def from_debian_base(cls, *args: Any, **kwargs: Any) -> Image:
        """A plain Debian image."""
        return cls()._then("from_debian_base", args, kwargs)

    @classmethod
    def from_base(cls, *args: Any, **kwargs: Any) -> Image:
        """An image that exists."""
        return cls()._then("from_base", args, kwargs)

    @classmethod
    def from_uv_script(cls, *args: Any, **kwargs: Any) -> Image:
        """An image from a script's own list of dependencies."""
        return cls()._then("from_uv_script", args, kwargs)

    def with_pip_packages(self, *args: Any, **kwargs: Any) -> Image:
        """With packages."""
        return self._then("with_pip_packages", args, kwargs)

    def with_apt_packages(self, *args: Any, **kwargs: Any) -> Image:
        """With system packages."""
        return self._then("with_apt_packages", args, kwargs)

    def with_env_vars(self, *args: Any, **kwargs: Any) -> Image:
        """With environment variables."""
        return self._then("with_env_vars", args, kwargs)

    def with_requirements(self, *args: Any, **kwargs: Any) -> Image:
        """With the packages of a file."""
        return self._then("with_requirements", args, kwargs)

    def with_commands(self, *args: Any, **kwargs: Any) -> Image:
        """With shell commands."""
        return self._then("with_commands", args, kwargs)

    def with_source_folder(self, *args: Any, **kwargs: Any) -> Image:
        """With a folder."""
        return self._then("with_source_folder", args, kwargs)

    def with_source_file(self, *args: Any, **kwargs: Any) -> Image:
        """With a file."""
        return self._then("with_source_file", args, kwargs)

    def with_workdir(self, *args: Any, **kwargs: Any) -> Image:
        """With a working directory."""
        return self._then("with_workdir", args, kwargs)

    def __repr__(self) -> str:
        def shown(call: tuple[str, tuple[Any, ...], tuple[tuple[str, Any], ...]]) -> str:
            name, args, kwargs = call
            return f"{name}({', '.join([*map(repr, args), *(f'{key}={value!r}' for key, value in kwargs)])})"

        return ".".join(["Image", *map(shown, self.calls)])
