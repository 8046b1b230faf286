"""The records of the sample corpus: which source holds what, and what is wrong with it.

Record i of a source depends on (seed, source, i) alone. So any record can be made again at any
time, which is how a duplicate finds its original without keeping the corpus in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from carebot_assets.sample import dirt
from carebot_assets.sample.benchmarks import Benchmarks
from carebot_assets.sample.knowledge import Entry, KnowledgeBase, Lang
from carebot_assets.sample.phrasing import pick
from carebot_assets.sample.render import render
from carebot_assets.sample.sentences import Document, length
from carebot_assets.sample.sources import CURATED_DIRT, SOURCES, WEB_DIRT, Source

_LONG: dict[Lang, int] = {"en": 150, "zh": 300}


@dataclass(frozen=True)
class Record:
    """A record as stored, with the truth about it.

    Attributes:
        head: title, or the URL of a web source.
        body: the text that follows a title; of a web source the whole text.
        form: a form of `render.FORMS`, or "quiz" for a leak.
        dirt: kinds of planted dirt, empty for a clean record.
        duplicate_of: place of the original.
        leaked_item: id of the benchmark item on the page.
        quality: what an honest rater gives, 0..5.
    """

    entry: Entry
    form: str
    head: str
    body: str
    quality: int
    dirt: tuple[str, ...] = ()
    private_kinds: tuple[str, ...] = field(default=())
    duplicate_of: str | None = None
    leaked_item: str | None = None


class Corpus:
    """Makes any record of the corpus from its source and index."""

    def __init__(
        self, kb: KnowledgeBase, benchmarks: Benchmarks, documents: int, seed: int
    ) -> None:
        """Splits `documents` records over the sources."""
        self.kb, self.benchmarks, self.seed = kb, benchmarks, seed
        self.counts = apportion({source.name: source.share for source in SOURCES}, documents)

    def record(self, source: Source, index: int) -> Record:
        """Record `index` of `source`."""
        rng = Random(f"{self.seed}:{source.name}:{index}")
        if rng.random() >= source.dirty:
            return self._clean(source, index, rng)
        weights = CURATED_DIRT if source.titled else WEB_DIRT
        kinds = [
            kind
            for kind in weights
            if source.layout.startswith("jsonl") or kind not in dirt.BROKEN_KINDS
        ]
        kind = rng.choices(kinds, [weights[one] for one in kinds])[0]
        if kind == "benchmark_leak":
            return self._leak(source, index, rng)
        if kind in dirt.COPY_KINDS:
            return self._copy(source, index, kind, rng)
        return self._spoil(self._clean(source, index, rng), source, kind, rng)

    def _clean(self, source: Source, index: int, rng: Random) -> Record:
        document = self._document(source, rng)
        quality = rate(document)
        if source.titled:
            return Record(document.entry, document.form, document.title, document.body, quality)
        body = document.text if rng.random() < 0.5 else document.body
        return Record(document.entry, document.form, _url(source, index, rng), body, quality)

    def _document(self, source: Source, rng: Random) -> Document:
        medical = rng.random() < source.medical
        entry = pick(self.kb.medical if medical else self.kb.general, rng)
        forms = [form for form in source.forms if medical or form != "patient"]
        form = rng.choices(forms, [source.forms[one] for one in forms])[0]
        return render(self.kb, entry, source.lang, form, rng)

    def _spoil(self, clean: Record, source: Source, kind: str, rng: Random) -> Record:
        lang, body = source.lang, clean.body
        private: list[str] = []
        if kind == "advert":
            body = dirt.advert(body, lang, rng)
        elif kind == "boilerplate":
            body = dirt.boilerplate(body, lang, rng)
        elif kind == "mojibake":
            body = dirt.mojibake(body, lang, rng)
        elif kind == "spliced":
            body = dirt.spliced(body, self._unrelated(clean.entry, lang, rng), lang, rng)
        elif kind == "repetition":
            body = dirt.repetition(body, lang, rng)
        elif kind == "private_information":
            body, private = dirt.private_information(body, lang, rng)
        elif kind == "abuse":
            body = dirt.abuse(body, lang, rng)
        elif kind == "too_short":
            body = dirt.too_short(clean.entry.name[lang], lang, rng)
        elif kind == "symbol_noise":
            body = dirt.symbol_noise(body, lang, rng)
        return Record(
            clean.entry, clean.form, clean.head, body, dirt.QUALITY[kind], (kind,), tuple(private)
        )

    def _unrelated(self, entry: Entry, lang: Lang, rng: Random) -> str:
        others = [one for one in self.kb.entries if one.domain != entry.domain]
        return render(self.kb, pick(others, rng), lang, "encyclopaedia", rng).body

    def _copy(self, source: Source, index: int, kind: str, rng: Random) -> Record:
        """A clean record of any source of the language again, whole or slightly edited."""
        homes = [
            one
            for one in SOURCES
            if one.lang == source.lang
            and self.counts[one.name] > 0
            and (one.titled or not source.titled)
        ]
        for _ in range(20):
            home = rng.choices(homes, [self.counts[one.name] for one in homes])[0]
            place = rng.randrange(self.counts[home.name])
            # Curated sources are dirty rarely, so a few draws find a clean original.
            first = Random(f"{self.seed}:{home.name}:{place}").random()
            if (home.name, place) != (source.name, index) and first >= home.dirty:
                break
        else:
            return self._clean(source, index, rng)
        original = self.record(home, place)
        body = original.body
        if home.titled and not source.titled:
            body = f"{original.head}\n{body}"
        if kind == "near_duplicate":
            body = dirt.near_duplicate(body, source.lang, rng)
        head = original.head if source.titled else _url(source, index, rng)
        return Record(
            original.entry,
            original.form,
            head,
            body,
            original.quality,
            (kind,),
            duplicate_of=home.place(place),
        )

    def _leak(self, source: Source, index: int, rng: Random) -> Record:
        items = self.benchmarks.items
        suites = ("medqa", "pubmedqa") if source.lang == "en" else ("cmmlu_med", "cmtmedqa")
        pool = [suite for suite in suites if items[suite]]
        if not pool:
            return self._clean(source, index, rng)
        item = pick(items[pick(pool, rng)], rng)
        body = dirt.leak_page(item.question, item.answer, source.lang, rng)
        return Record(
            item.entry,
            "quiz",
            _url(source, index, rng),
            body,
            dirt.QUALITY["benchmark_leak"],
            ("benchmark_leak",),
            leaked_item=item.id,
        )


def rate(document: Document) -> int:
    """What an honest rater gives a clean document: form, length and medical content, 2..5."""
    long = length(document.body, document.lang) >= _LONG[document.lang]
    medical = document.entry.medical
    if document.form in ("encyclopaedia", "abstract"):
        return 4 + medical
    if document.form == "patient":
        return 4 + long
    return (3 if document.form == "news" else 2) + medical - (document.form == "news" and not long)


def apportion(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Splits `total` by `shares` into whole numbers that add up (largest remainder)."""
    scale = total / sum(shares.values())
    counts = {name: int(share * scale) for name, share in shares.items()}
    rest = sorted(shares, key=lambda name: counts[name] - shares[name] * scale)
    for name in rest[: total - sum(counts.values())]:
        counts[name] += 1
    return counts


def _url(source: Source, index: int, rng: Random) -> str:
    site = pick(("notes", "daily", "forum", "answers", "club", "info"), rng)
    return f"https://{site}{rng.randint(1, 40)}.example.net/{source.lang}/{index}.html"
