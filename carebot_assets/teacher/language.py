"""In which of the two languages a text is to be read, asked about and answered."""

import re

CJK_RUN = re.compile(r"[\u3400-\u9fff]+")
SAMPLE_CHARS = 2000


def is_chinese(text: str) -> bool:
    """Whether a text is to be read as Chinese: a fifth of its characters are."""
    sample = text[:SAMPLE_CHARS]
    return 5 * sum(map(len, CJK_RUN.findall(sample))) > len(sample)
