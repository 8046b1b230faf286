"""Pictures are images, the same for the same numbers, whatever there is to show."""

import base64

import polars as pl
import pytest

from assets_tests.corpus.test_funnel import NOTHING_LEFT, STAGES, total
from carebot_assets.corpus import funnel, pictures


def is_png(image: str) -> bool:
    prefix, _, data = image.partition("base64,")
    png = base64.b64decode(data.removesuffix(")")).startswith(b"\x89PNG")
    return prefix.endswith("](data:image/png;") and png


@pytest.mark.parametrize("stages", [STAGES, NOTHING_LEFT], ids=["some left", "nothing left"])
def test_pictures_of_the_funnel(stages: dict[str, pl.LazyFrame]) -> None:
    counts = total(stages)
    table = funnel.funnel(counts)
    for image in (pictures.left(counts), pictures.by_source(counts), pictures.reasons(table)):
        assert is_png(image)
    assert pictures.left(counts) == pictures.left(counts)


def test_sources_beyond_the_limit_share_a_bar() -> None:
    counts = total(STAGES).filter(pl.col("source") == "books")
    many = pl.concat(
        counts.with_columns(source=pl.lit(f"a_source_with_quite_a_long_name_{i:03d}"))
        for i in range(pictures.MAX_SOURCES + 7)
    )
    assert is_png(pictures.by_source(many))


def test_a_picture_of_no_drift_at_all() -> None:
    schema = {"shard": pl.String, "lang": pl.String, "measure": pl.String}
    nothing = pl.DataFrame(schema=schema | {"score": pl.Float64, "deviates": pl.Boolean})
    assert is_png(pictures.drift(nothing, 6.0))
