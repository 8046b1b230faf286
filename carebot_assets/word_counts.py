"""How often words are used, as the dictionaries of installed packages say.

English words from the frequency dictionary of symspellpy (Google Books n-grams cut down to the
words of SCOWL), Chinese words from the dictionary of jieba.
"""

from importlib.util import find_spec
from pathlib import Path

import polars as pl

FILES = {"en": ("symspellpy", "frequency_dictionary_en_82_765.txt"), "zh": ("jieba", "dict.txt")}


def packaged(lang: str) -> pl.DataFrame:
    """`unit` and `count` of every word, in the dictionary's order.

    Raises:
        ValueError: the package is not installed.
    """
    package, name = FILES[lang]
    spec = find_spec(package)  # not importlib.resources, which imports the package
    folders = (spec.submodule_search_locations or []) if spec else []
    file = next((Path(f) / name for f in folders if (Path(f) / name).is_file()), None)
    if file is None:
        raise ValueError(f"the package {package} with its {name} is not installed")
    columns = pl.read_csv(
        file, separator=" ", has_header=False, quote_char=None, columns=[0, 1], infer_schema=False
    )
    unit, count = columns
    return pl.DataFrame({"unit": unit, "count": count.cast(pl.Float64)})
