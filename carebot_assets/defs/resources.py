"""Resources of the graph: the workshop (settings and store), the teacher and the launcher."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg

from carebot_assets.defs.launcher import Launcher
from carebot_assets.settings import Settings, current_settings
from carebot_assets.store import Store

if TYPE_CHECKING:
    from carebot_assets.teacher.client import Teacher


class Workshop(dg.ConfigurableResource):
    """Settings of the profile and the store they point to."""

    def settings(self) -> Settings:
        return current_settings()

    def store(self) -> Store:
        settings = current_settings().store
        return Store(settings.root, settings.compression)


class TeacherResource(dg.ConfigurableResource):
    """The profile's teacher model; every call goes through the store's call ledger."""

    @contextmanager
    def open(self) -> Iterator["Teacher"]:
        from carebot_assets.teacher.client import open_teacher

        settings = current_settings()
        ledger = Workshop().store().ledger_path()
        with open_teacher(settings.teacher, ledger, settings.seed) as teacher:
            yield teacher


def all_resources() -> dict[str, Any]:
    """Resources by the names assets ask for them."""
    return {"workshop": Workshop(), "teacher": TeacherResource(), "launcher": Launcher()}
