import pytest

from assets_tests.conftest import rows_of
from carebot_assets.lineage.why import why
from carebot_assets.store import Store

ID = "aaaaaaaa11112222"
OTHER = "aaaaaaaa33334444"
SHARD = "web-00000"


def publish(store: Store, name: str, *rows: dict[str, object], **options: object) -> None:
    partition = SHARD if options.pop("sharded", True) else None
    with store.publish(name, partition, **options) as draft:  # type: ignore[arg-type]
        draft.write(rows_of(name, *rows))
        draft.metadata["run_id"] = "run-1"


@pytest.fixture
def world(store: Store) -> Store:
    documents = [
        {"doc_id": i, "shard": SHARD, "source": "web", "text": "发热 fever", "origin": f"web/a#{n}"}
        for n, i in enumerate((ID, OTHER))
    ]
    publish(store, "documents", *documents)
    evidence = [{"rule": "advert_v1", "value": 3.0, "threshold": 1.0}]
    publish(
        store,
        "rule_verdicts",
        {"doc_id": ID, "shard": SHARD, "verdict": "keep", "reasons": []},
        {
            "doc_id": OTHER,
            "shard": SHARD,
            "verdict": "drop",
            "reasons": ["advert_v1"],
            "evidence": evidence,
        },
    )
    publish(
        store,
        "quality_scores",
        {
            "doc_id": ID,
            "shard": SHARD,
            "verdict": "keep",
            "reasons": [],
            "score": 4.2,
            "threshold": 3.0,
            "model": "m1",
        },
        {"doc_id": OTHER, "shard": SHARD, "verdict": "skip", "reasons": []},
    )
    publish(store, "filtered_corpus", {"doc_id": ID, "shard": SHARD})
    publish(store, "duplicate_clusters", {"doc_id": "twin", "kept_id": ID}, sharded=False)
    spans = [
        {"sequence": s, "position": 0, "doc_id": ID, "num_tokens": 10, "epoch": e}
        for s, e in ((4, 0), (2, 1))
    ]
    publish(store, "stable_mix", *spans, sharded=False)
    return store


def test_the_life_of_a_kept_document(world: Store) -> None:
    life = why(world, ID)
    assert life.document["origin"] == "web/a#0"
    assert [(j.judge, j.verdict, j.run_id) for j in life.judgements] == [
        ("rule_verdicts", "keep", "run-1"),
        ("quality_scores", "keep", "run-1"),
    ]
    assert life.judgements[1].details == {"score": 4.2, "threshold": 3.0, "model": "m1"}
    assert life.corpus == "filtered_corpus"
    assert life.duplicates == ["twin"]
    [use] = life.uses
    assert (use.mix, use.sequences, use.num_tokens, use.num_epochs) == ("stable_mix", [2, 4], 20, 2)
    assert use.checkpoint is None, "no checkpoint was trained on this mix"


@pytest.mark.parametrize("same_mix", [True, False])
def test_a_checkpoint_is_named_only_if_it_read_this_very_mix(world: Store, same_mix: bool) -> None:
    mix = world.require("stable_mix").content_hash if same_mix else "of another day"
    with world.publish("stable_checkpoint", inputs={"stable_mix": mix}):
        pass
    assert why(world, ID).uses[0].checkpoint == ("stable_checkpoint" if same_mix else None)


def test_the_life_of_a_dropped_document(world: Store) -> None:
    life = why(world, OTHER)
    assert life.judgements[0].reasons == ["advert_v1"]
    assert life.judgements[0].details["evidence"] == [
        {"rule": "advert_v1", "value": 3.0, "threshold": 1.0}
    ]
    assert life.judgements[1].verdict == "skip"
    assert (life.corpus, life.uses, life.held_out) == (None, [], None)


def test_held_out_documents_say_so(world: Store) -> None:
    publish(
        world,
        "held_out_text",
        {"doc_id": ID, "shard": SHARD, "stratum": "medical_zh"},
        sharded=False,
    )
    assert why(world, ID).held_out == "medical_zh"


@pytest.mark.parametrize(
    ("prefix", "message"),
    [("aaaa", "too short"), ("aaaaaaaa", "several documents"), ("ffffffff", "no document with id")],
)
def test_an_id_must_name_one_document(world: Store, prefix: str, message: str) -> None:
    with pytest.raises(LookupError, match=message):
        why(world, prefix)
    assert why(world, ID[:10]).document["doc_id"] == ID


def test_documents_must_exist(store: Store) -> None:
    with pytest.raises(LookupError):
        why(store, ID)
