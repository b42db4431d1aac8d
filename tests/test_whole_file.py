import pytest

from kaslite.whole_file import write_whole


def test_a_file_is_replaced_whole(tmp_path):
    for text in ("one", "two"):
        write_whole(tmp_path / "it", text)
        assert (tmp_path / "it").read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["it"]


def test_what_cannot_be_put_in_its_place_leaves_nothing_behind(tmp_path):
    (tmp_path / "it").mkdir()
    with pytest.raises(OSError, match="it"):
        write_whole(tmp_path / "it", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["it"]
