"""The demo's data and its place."""

from pathlib import Path

import pytest

from demo.docstrings import collect
from demo.stage import DemoError, fresh_folder
from demo.story import DAMAGED, ERASED, LOST, OVERWRITTEN

LONGEST_ID = 256


def test_the_data_are_thousands_of_texts_in_several_collections_with_ids_the_server_takes() -> None:
    texts = collect()
    ids = [text.id for documents in texts.values() for text in documents]
    assert {LOST, DAMAGED} < set(texts)
    assert len(texts) >= 3
    assert len(ids) > 2000
    assert len(set(ids)) == len(ids)
    assert not [name for name in ids if "#" in name or name != name.strip() or len(name.encode()) > LONGEST_ID]
    assert len(texts[DAMAGED]) > OVERWRITTEN + ERASED


def test_a_demo_starts_in_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "old").write_text("old")
    (tmp_path / "deployments.yaml").write_text("old")
    with fresh_folder(tmp_path):
        assert [item.name for item in tmp_path.iterdir()] == ["lock"]


def test_a_second_demo_leaves_the_first_one_alone(tmp_path: Path) -> None:
    with fresh_folder(tmp_path):
        (tmp_path / "mine").write_text("mine")
        with pytest.raises(DemoError, match="runs in"), fresh_folder(tmp_path):
            pass
        assert (tmp_path / "mine").exists()
    with fresh_folder(tmp_path):
        assert not (tmp_path / "mine").exists()
