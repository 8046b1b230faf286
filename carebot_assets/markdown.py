"""Pictures for people: Markdown images that carry their own data, as the UI shows them."""

import base64
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float, columns: int = 1) -> tuple["Figure", Any]:
    """An empty figure (inches) and its axes, an array of them where there are several columns."""
    # Not pyplot: it keeps global state, and figures drawn in threads would meet in it.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns)


def image(figure: "Figure", title: str) -> str:
    """A Markdown image with the PNG inside."""
    buffer = io.BytesIO()
    # Without this the version of matplotlib is part of the picture.
    figure.savefig(buffer, format="png", dpi=90, metadata={"Software": None})
    return f"![{title}](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})"
