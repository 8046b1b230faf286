"""A slow and obvious version of `contamination.Index.overlaps`, word by word."""

from carebot_assets.settings import ContaminationSettings

SMALL = ContaminationSettings(
    ngram_en=3, ngram_zh=2, min_hits_en=5, min_hits_zh=4, min_item_share=0.7, min_item_units=3,
    phrase_units=2, max_items_per_phrase=2,
)  # fmt: skip


Item = tuple[str, list[str], list[str]]  # question, options, other parts


def evidence_by_item(text: str, items: list[Item]) -> dict[int, str | None]:
    """Evidence of every item that shares a specific n-gram with a text, word by word."""

    def units(one: str) -> list[str]:
        return [u for u in one.split() if u != "x"]

    def windows(one: list[str], n: int) -> list[tuple[str, ...]]:
        return [tuple(one[i : i + n]) for i in range(len(one) - n + 1)]

    def runs(one: list[str]) -> list[tuple[str, ...]]:
        return windows(["0" if u.isdigit() else u for u in one], SMALL.phrase_units)

    n, least = SMALL.ngram_en, SMALL.min_hits_en
    parts = [
        [units("\n".join([q, *o]).replace("\n", " ")), *map(units, rest)] for q, o, rest in items
    ]
    having: dict[tuple[str, ...], set[int]] = {}
    for number, texts in enumerate(parts):
        for run in (run for one in texts for run in runs(one)):
            having.setdefault(run, set()).add(number)

    def is_specific(gram: tuple[str, ...]) -> bool:
        return any(len(having[run]) <= SMALL.max_items_per_phrase for run in runs(list(gram)))

    present = set(windows(units(text), n))

    def places(texts: list[list[str]]) -> list[list[tuple[str, ...] | None]]:
        """Shared n-grams by their places in the item, in passages one changed word apart."""
        start, passages, last = 0, [[]], -n
        for one in texts:
            for place, gram in enumerate(windows(one, n), start):
                if gram in present:
                    if place - last > n + 1:
                        passages.append([])
                    passages[-1].append(gram)
                    last = place
            start += len(one)
        return passages

    def longest(passage: list[tuple[str, ...]]) -> int:
        return len(set(filter(is_specific, passage)))

    found: dict[int, str | None] = {}
    for number, ((question, _, _), texts) in enumerate(zip(items, parts, strict=True)):
        grams = [gram for one in texts for gram in windows(one, n)]
        main = texts[0]
        told = (
            size
            for size in (len(units(question)), len(main))
            if size >= SMALL.min_item_units and any(map(is_specific, windows(main[:size], n)))
        )
        size = next(told, 0)
        if not size and sum(map(is_specific, grams)) < least:
            continue
        hits = [i for i, gram in enumerate(windows(main[:size], n)) if gram in present]
        covered = len({i + k for i in hits for k in range(n)})
        num_hits = max(map(longest, places(texts)))
        if not num_hits:
            continue
        has_stem = any(is_specific(windows(main, n)[i]) for i in hits)
        share = covered / size if size else 0.0
        near = share >= SMALL.min_item_share and num_hits >= least / 2
        is_whole = has_stem and (share == 1.0 or near)
        found[number] = "whole" if is_whole else "window" if num_hits >= least else None
    return found
