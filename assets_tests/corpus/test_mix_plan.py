from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from assets_tests.corpus.test_mixing import mix
from carebot_assets.corpus import mix_plan


def test_shares_are_split_to_the_token() -> None:
    assert mix_plan.allot(10, {"a": 1, "b": 1, "c": 1}) == {"a": 4, "b": 3, "c": 3}
    assert mix_plan.asked(mix(113_000, 0.95, 0.1), 256) == {
        "primary_zh": 10725,
        "primary_en": 96526,
        "secondary_zh": 565,
        "secondary_en": 5080,
    }


@settings(deadline=None)
@given(
    st.integers(100, 5_000),
    st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)),
    st.lists(st.integers(0, 4_000), min_size=4, max_size=4),
    st.sampled_from(["repeat_then_shrink", "repeat", "shrink", "refuse"]),
    st.floats(1, 5),
)
def test_a_plan_takes_as_much_as_there_is_and_no_more(
    tokens: int, ratios: tuple[float, float], there: list[int], shortage: Any, epochs: float
) -> None:
    plan = mix(tokens, *ratios, shortage=shortage, max_epochs=epochs)
    parts = mix_plan.shares(plan)
    available = dict(zip(parts, there, strict=True))
    times = epochs if shortage.startswith("repeat") else 1
    reach = {name: int(number * times) for name, number in available.items()}

    def fits(num_sequences: int) -> bool:
        total = num_sequences * 10
        whole = mix_plan.allot(total, parts)
        # Not by luck of rounding alone: a small stratum may be rounded to nothing.
        return all(reach[n] >= whole[n] and reach[n] / parts[n] >= total for n in parts)

    # The slow way: every number of sequences.
    asked = mix_plan.asked(plan, 10)
    is_enough = all(reach[name] >= number for name, number in asked.items())
    most = max((n for n in range(tokens // 10 + 1) if fits(n)), default=0)
    try:
        found = mix_plan.solve(plan, 10, available)
    except ValueError as error:
        assert not is_enough and (not shortage.endswith("shrink") or not most)
        short = [name for name, number in asked.items() if reach[name] < number]
        assert all(f"{name} is short by" in str(error) for name in short)
        return
    assert all(reach[name] >= number for name, number in found.tokens.items())
    assert sum(found.tokens.values()) == (tokens // 10 if is_enough else most) * 10
    assert (found.scale == 1) == is_enough == (found.limited_by is None)
