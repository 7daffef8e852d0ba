"""A large file is read once in a process, and again when it has changed."""

import hashlib
import os
from pathlib import Path

from spice_select.models import digests
from spice_select.models.identify import identify_model
from spice_select.models.load import load_model


def test_a_digest_is_that_of_the_bytes_there_are_now(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for content in (b"one", b"two"):
        path.write_bytes(content)
        assert digests.file_digest(path) == hashlib.sha256(content).digest()


def test_a_file_changed_in_place_with_its_old_time_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"one")
    before = path.stat()
    digests.file_digest(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert digests.file_digest(path) == hashlib.sha256(b"two").digest()


def test_identifying_and_loading_a_model_reads_its_weights_for_the_hash_once(tiny_proxy: Path, monkeypatch) -> None:
    digests._digest.cache_clear()
    read, digest = [], hashlib.file_digest

    def counted(stream, name):
        read.append(stream.name)
        return digest(stream, name)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    first = identify_model(tiny_proxy).weights_hash
    assert load_model(tiny_proxy).weights_hash == first
    assert [Path(name).suffix for name in read].count(".safetensors") == 1
    assert len(read) == len(set(read))
