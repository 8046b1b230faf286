"""The promises of the corpora, tested again by other means than those that kept them.

Nothing here uses the compiled kernels of the judges, the detectors of private information or the
verdicts. That text is taken apart and folded a second time is on purpose: an error in the one way
would hide itself. Limits are a little wider than the judges', so that what fails here is no matter
of rounding.
"""

from carebot_assets.corpus.audit.copies import LESS_SIMILAR, no_duplicate_text, no_near_duplicate
from carebot_assets.corpus.audit.leaks import no_benchmark_text
from carebot_assets.corpus.audit.values import no_private_information

__all__ = [
    "LESS_SIMILAR",
    "no_benchmark_text",
    "no_duplicate_text",
    "no_near_duplicate",
    "no_private_information",
]
