from dubbench.core.identity import DESCRIPTIVE, clip_seed, info_digest, signature
from dubbench.core.metric import MetricInfo
from dubbench.core.system import SystemInfo
from dubbench.runtime.digests import digest

HASHED = {
    "name",
    "version",
    "kind",
    "weights",
    "trained_on",
    "conditioned_on",
    "settings",
    "media",
    "recipe",
    "needs",
    "speaker_encoder",
}


def test_every_field_is_on_one_side() -> None:
    """A new field must be classified: does it change a result or not?"""
    fields = set(SystemInfo.model_fields) | set(MetricInfo.model_fields)
    assert fields == HASHED | DESCRIPTIVE
    assert not HASHED & DESCRIPTIVE


def test_what_counts_changes_the_signature() -> None:
    base = MetricInfo(name="m", recipe="r/x", settings={"a": 1})
    assert signature(base) == signature(base.model_copy(update={"summary": "other", "licence": "MIT"}))
    for change in (
        {"settings": {"a": 2}},
        {"version": "2"},
        {"weights": {"w": "ff"}},
        {"media": {"soxr": "0"}},
        {"needs": frozenset({"truth"})},
    ):
        assert signature(base) != signature(base.model_copy(update=change))


def test_digests_do_not_depend_on_order() -> None:
    assert digest({"a": 1, "b": {3, 1, 2}}) == digest({"b": {2, 1, 3}, "a": 1})
    assert info_digest(SystemInfo(name="s", settings={"x": 1, "y": 2})) == info_digest(
        SystemInfo(name="s", settings={"y": 2, "x": 1})
    )


def test_clip_seeds_are_stable_and_apart() -> None:
    assert clip_seed(0, "s1-bbaf2n") == clip_seed(0, "s1-bbaf2n")
    assert len({clip_seed(s, f"c{i}") for s in range(3) for i in range(100)}) == 300
    assert all(0 <= clip_seed(0, f"c{i}") < 2**31 for i in range(100))
