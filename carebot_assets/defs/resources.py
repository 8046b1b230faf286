"""Resources of the graph: the workshop (settings and store), the teacher and the launcher."""

from typing import Any

import dagster as dg

from carebot_assets.settings import Settings, current_settings
from carebot_assets.store import Store


class Workshop(dg.ConfigurableResource):
    """Settings of the profile and the store they point to."""

    def settings(self) -> Settings:
        return current_settings()

    def store(self) -> Store:
        settings = current_settings().store
        return Store(settings.root, settings.compression)


def all_resources() -> dict[str, Any]:
    """Resources by the names assets ask for them."""
    return {"workshop": Workshop()}
