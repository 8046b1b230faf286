"""Token sequences of one forward each, with the spans of the turns whose losses they give."""

from dataclasses import dataclass

from carebot_assets.dialogue.frame import Frame


@dataclass(frozen=True)
class Span:
    """Tokens `first` .. `last` (exclusive) of a sequence that are one turn's content."""

    turn: int
    first: int
    last: int


@dataclass(frozen=True)
class Sequence:
    """Token ids of one forward and the turns whose losses it gives."""

    ids: list[int]
    spans: list[Span]


@dataclass(frozen=True)
class Turn:
    """A turn as it was tokenised: header, content and footer ids stay apart."""

    record: int
    role: str
    content: list[int]
    counts: bool


def conditioned_sequences(turns: list[Turn], frame: Frame, limit: int) -> list[Sequence]:
    """One sequence a dialogue, with a span for each turn that counts.

    A dialogue longer than `limit` becomes several: each begins at a turn's border, as early as its
    last turn allows, so that every turn keeps as much history as fits.
    """
    sequences = []
    begin = 0
    while begin < len(turns):
        end = begin
        while end < len(turns) and turns[end].record == turns[begin].record:
            end += 1
        sequences += _windows(turns, begin, end, frame, limit)
        begin = end
    return sequences


def direct_sequences(turns: list[Turn], frame: Frame, limit: int) -> list[Sequence]:
    """One sequence a turn that counts: the turn alone, after its role header."""
    sequences = []
    for number, turn in enumerate(turns):
        head = [*frame.start, *frame.header[turn.role]]
        if turn.counts and len(head) + len(turn.content) <= limit:
            span = Span(number, len(head), len(head) + len(turn.content))
            sequences.append(Sequence([*head, *turn.content], [span]))
    return sequences


def _windows(turns: list[Turn], begin: int, end: int, frame: Frame, limit: int) -> list[Sequence]:
    sizes = [
        len(frame.header[t.role]) + len(t.content) + len(frame.footer[t.role])
        for t in turns[begin:end]
    ]
    windows, done = [], begin
    while done < end:
        # As far as fits from the start of the window, which reaches back as far as fits too.
        low = done
        total = len(frame.start) + sizes[low - begin]
        while low > begin and total + sizes[low - 1 - begin] <= limit:
            low -= 1
            total += sizes[low - begin]
        high = done + 1
        while high < end and total + sizes[high - begin] <= limit:
            total += sizes[high - begin]
            high += 1
        # A turn that is too long by itself, or that cannot keep any history, has no score.
        if total <= limit:
            window = _sequence(turns, low, high, done, frame)
            if window.spans:
                windows.append(window)
        done = high
    return windows


def _sequence(turns: list[Turn], low: int, high: int, done: int, frame: Frame) -> Sequence:
    """Turns `low` .. `high` in one sequence, with spans from turn `done` on; what follows the last
    span is of no use and left out."""
    ids, spans = list(frame.start), []
    needed = 0
    for number in range(low, high):
        turn = turns[number]
        ids += frame.header[turn.role]
        if turn.counts and number >= done and number > low:
            spans.append(Span(number, len(ids), len(ids) + len(turn.content)))
            needed = len(ids) + len(turn.content)
        ids += turn.content + frame.footer[turn.role]
    return Sequence(ids[:needed], spans)


def batches(sequences: list[Sequence], token_budget: int) -> list[list[Sequence]]:
    """Sequences from long to short, as many in a batch as the budget of padded tokens allows."""
    batches: list[list[Sequence]] = []
    for sequence in sorted(sequences, key=lambda s: (-len(s.ids), s.spans[0].turn)):
        batch = batches[-1] if batches else []
        if batch and len(batch[0].ids) * (len(batch) + 1) <= token_budget:
            batch.append(sequence)
        else:
            batches.append([sequence])
    return batches
