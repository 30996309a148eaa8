"""The published numbers agree with each other wherever one follows from another."""

from pathlib import Path

import pytest

from dynmm.errors import InputError
from dynmm.reporting.paper import is_paper_data, published_values, read_paper

PAPER = Path(__file__).parents[1] / "resources" / "paper.yaml"


@pytest.fixture(scope="module")
def paper():
    return read_paper(PAPER)


def rows(paper, table):
    return {row["key"]: row for row in paper[table]["rows"]}


def derived_share(paper, task, key):
    """Share of samples that a DynMM row of Table 1 or 2 sent to E2, in [0, 1].

    The table's mean MAdds lie between the authors' constants for E1 and E2 (each with the gate):
    madds = (1 - share) * c1 + share * c2.

    Args:
        paper: what `read_paper` returned.
        task: "mmimdb" or "mosei".
        key: "dynmm_a", "dynmm_b" or "dynmm_c" (hard gates only).
    """
    (table,) = (block for block in paper.values() if block.get("task") == task)
    (row,) = (row for row in table["rows"] if row["key"] == key)
    first, second = paper["authors_constants"][f"{task}_m"]["expert_and_gate"]
    return (row["madds_m"] - first) / (second - first)


def test_reductions_of_table_3_follow_from_its_madds(paper):
    table = rows(paper, "table3")
    whole = table["esanet"]["depth_madds_g"]
    for key in ("stage1", "dynmm_a", "dynmm_b"):
        reduction = 100 * (1 - table[key]["depth_madds_g"] / whole)
        assert reduction == pytest.approx(table[key]["reduction_pct"], abs=0.06), key


@pytest.mark.parametrize("task", ["mmimdb", "mosei"])
def test_stored_shares_follow_from_the_authors_constants(paper, task):
    shares = paper["derived_shares"][task]
    assert list(shares) == ["dynmm_a", "dynmm_b", "dynmm_c"]
    for key, share in shares.items():
        assert derived_share(paper, task, key) == pytest.approx(share, abs=0.005), key


def test_table_1_madds_fit_the_counts_made_again(paper):
    counted, table = paper["counted_again"]["mmimdb_m"], rows(paper, "table1")
    for key in ("text", "image", "late_fusion"):
        assert counted[key] == pytest.approx(table[key]["madds_m"], abs=0.05), key
    first, second = paper["authors_constants"]["mmimdb_m"]["expert_and_gate"]
    assert first == pytest.approx(counted["text"] + counted["gate"], rel=1e-3)
    assert second == pytest.approx(counted["late_fusion"] + counted["gate"], rel=2e-3)


def test_whole_network_is_a_constant_beyond_its_depth_encoder(paper):
    for encoder in ("resnet50_BasicBlock", "resnet34_NonBottleneck1D"):
        constants = paper["authors_constants"]["nyuv2_g"][encoder]
        rest = [w - d for w, d in zip(constants["whole"], constants["depth_encoder"], strict=True)]
        assert rest == pytest.approx([rest[0]] * 5, abs=1e-6), encoder
    constants = paper["authors_constants"]["nyuv2_g"]["resnet50_BasicBlock"]
    assert constants["depth_encoder"][-1] == pytest.approx(
        rows(paper, "table3")["esanet"]["depth_madds_g"], abs=0.05
    )


def test_only_dynmm_b_of_table_4_is_off_the_constants(paper):
    constants = paper["authors_constants"]["nyuv2_g"]["resnet50_BasicBlock"]
    rest = constants["whole"][0] - constants["depth_encoder"][0]
    three, four = rows(paper, "table3"), rows(paper, "table4")
    off = {k: rest + three[k]["depth_madds_g"] - four[k]["madds_g"] for k in ("dynmm_a", "dynmm_b")}
    assert off["dynmm_a"] == pytest.approx(0, abs=0.06)
    assert off["dynmm_b"] == pytest.approx(-0.37, abs=0.06)  # 51.8 counted, 52.2 printed


def test_the_two_segmentation_tables_agree(paper):
    three, four = rows(paper, "table3"), rows(paper, "table4")
    for key in ("esanet", "dynmm_a", "dynmm_b"):
        assert three[key]["miou"] == four[key]["miou"]


def test_every_table_row_has_the_columns_of_its_table(paper):
    sizes = {"table1": 9, "table2": 8, "table3": 4, "table4": 8}
    for table, size in sizes.items():
        block = paper[table]
        assert len(block["rows"]) == size
        assert len(rows(paper, table)) == size, "keys are unique"
        for row in block["rows"]:
            missing = set(block["columns"]) - set(published_values(row))
            assert missing <= ({"reduction_pct"} if row["key"] == "esanet" else set())
            assert set(published_values(row)) <= set(block["columns"])


def test_every_block_of_numbers_names_its_source(paper):
    for name, block in paper.items():
        if name not in ("paper", "neighbours"):
            assert block["source"], name
    for name, block in paper["neighbours"].items():
        assert block["source"], name


def test_the_name_of_the_data_decides_unless_the_config_does(paper):
    assert is_paper_data(paper, "nyuv2", "NYU Depth V2")
    assert not is_paper_data(paper, "nyuv2", "rendered rooms, not photographs")
    assert not is_paper_data(paper, "nyuv2", "NYU Depth V2", flag=False)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.yaml"):
        read_paper(tmp_path / "absent.yaml")
