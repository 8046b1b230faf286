"""Every table of the store: its columns, their types and their meaning, in one place."""

from carebot_assets.tables import corpus, dialogue, evaluation, pretraining, raters, selection
from carebot_assets.tables.base import JUDGES, TURNS, VERDICTS, Table

__all__ = ["ALL", "BY_NAME", "JUDGES", "TURNS", "VERDICTS", "Table"]

ALL = [
    *corpus.TABLES,
    *selection.TABLES,
    *raters.TABLES,
    *pretraining.TABLES,
    *dialogue.TABLES,
    *evaluation.TABLES,
]
BY_NAME: dict[str, Table] = {table.name: table for table in ALL}
