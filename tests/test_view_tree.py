"""The tree: who called whom, names that the module around says already, overwriting, errors."""

from __future__ import annotations

import pytest
from handmade import failed_pass, repeated_pass, tiny_construction, tiny_pass

from tracer.views.reports.rows import choose, handling_tensors
from tracer.views.reports.tree import tree


def test_a_whole_tree():
    assert (
        str(tree(tiny_pass()))
        == """\
TinyNet, a pass in eval mode: 7 of 15 calls

Call            Type         Input    Output                            Note
──────────────  ───────────  ───────  ────────────────────────────────  ─────────────────────
(root)          TinyNet      [3×6×8]  {features: 1×4×6×8, scores: 1×2}
├─ normalize()  tiny.model   3×6×8    3×6×8
├─ body         Sequential   1×3×6×8  1×4×6×8
│  ├─ conv      Conv2d       1×3×6×8  1×4×6×8
│  ├─ bn        BatchNorm2d  1×4×6×8  1×4×6×8                           overwritten by relu#0
│  └─ relu      ReLU         1×4×6×8  1×4×6×8                           in place
└─ head         Linear       1×4      1×2"""
    )


def test_a_folded_tree():
    assert (
        str(tree(repeated_pass(), columns="call,note"))
        == """\
Net, a pass in eval mode: 17 of 22 calls

Call           Note
─────────────  ─────────────────────────
(root)
└─ layer
   ├─ 0
   │  ├─ conv  overwritten by relu#0
   │  └─ relu  in place
   └─ 1-4      ×4
      ├─ conv  ×4; overwritten by relu#0
      └─ relu  ×4; in place

A row such as layer1.1-2 stands for neighbours that are alike; its sums are over all of them \
(fold=False shows each)."""
    )


def test_a_failed_tree_tells_the_error_where_it_happened():
    found = tree(failed_pass(), grain="all")
    notes = dict(zip(found.column("call"), found.column("note"), strict=True))
    assert notes["(root)"] == notes["head"] == "error passed on"
    assert notes["linear"] == (
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (1x4 and 5x2)"
    )
    assert [row.mark for row in found.rows if row.mark == "error"] == ["error"] * 3


def test_the_tree_of_a_construction():
    found = tree(tiny_construction())
    assert [(row.depth, *row.cells[:4]) for row in found.rows] == [
        (0, "build()", "TinyNet", 126, None),
        (1, "TinyNet.__init__()", "TinyNet", 126, 10),
        (2, "make_body()", "Sequential", 116, 116),
    ]


def test_depth_cuts():
    assert tree(tiny_pass(), depth=1).column("call") == ["(root)", "normalize()", "body", "head"]


def test_a_part_keeps_its_place_in_the_names():
    assert tree(tiny_pass(), path="body").column("call") == ["body", "conv", "bn", "relu"]
    assert tree(tiny_pass(), path="body.bn").column("call") == ["body.bn"]


def test_grains_can_be_left_out_of_the_middle():
    found = tree(tiny_pass(), grain="op")
    assert {row.depth for row in found.rows} == {0}
    both = tree(tiny_pass(), grain="module,op")
    assert [row.depth for row in both.rows][:3] == [0, 1, 1]


# --- a real pass ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(recorded):
    return tree(recorded, fold=False)


def test_the_real_tree_shows_what_overwrote_what(recorded, real):
    notes = {}
    for row in real.rows:
        call = recorded.calls[row.call]
        if call.kind == "module":
            notes[call.label] = row.cells[-1]
    block = "backbone.body.layer1.0"
    assert notes["backbone.body.bn1#0"] == "overwritten by relu#0"
    assert notes[f"{block}.bn1#0"] == "overwritten by relu#0"
    assert notes[f"{block}.bn2#0"] == "overwritten by relu#1"
    assert notes[f"{block}.bn3#0"].startswith("overwritten by add_#")
    assert notes[f"{block}.relu#2"] == "in place"
    assert notes[f"{block}.conv1#0"] is None


def test_the_real_tree_leaves_out_functions_without_tensors(recorded, real):
    calls = [recorded.calls[row.call] for row in real.rows]
    assert "_is_tracing" not in {call.path for call in calls}
    assert "RegionProposalNetwork.filter_proposals" in {call.path for call in calls}
    assert any("no tensor" in note for note in real.notes)
    everything = tree(recorded, grain="module,function", fold=False)
    assert "_is_tracing()#0" in everything.column("call")
    assert not any("no tensor" in note for note in everything.notes)


def test_a_call_is_kept_with_all_around_it(recorded):
    calls = choose(recorded)
    kept = {call.id for call in handling_tensors(recorded, calls)}
    parents = {recorded.calls[id].parent for id in kept} - {None}
    assert parents <= kept


def test_methods_are_named_within_their_module(recorded, real):
    names = dict(zip((row.call for row in real.rows), real.column("call"), strict=True))
    by_path = {recorded.calls[id].path: name for id, name in names.items()}
    assert by_path["RegionProposalNetwork.filter_proposals"] == "filter_proposals()"
    assert by_path["GeneralizedRCNNTransform.postprocess"] == (
        "GeneralizedRCNNTransform.postprocess()"
    )


def test_the_real_construction_adds_up(built):
    found = tree(built)
    column = dict(zip(found.column("call"), found.column("added"), strict=True))
    total = sum(module.own_params for module in built.modules.values())
    assert sum(cell or 0 for cell in column.values()) == total
    # Of the first block, __init__ itself makes three batch norms: 2·(64 + 64 + 256).
    assert column["Bottleneck.__init__()#0"] == 768
    # The body leaves the classifier's fc behind: 1000·2048 + 1000.
    assert column["IntermediateLayerGetter.__init__()"] == -2_049_000
