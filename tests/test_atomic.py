import errno
import os
from pathlib import Path

import pytest

from howsure.atomic import write_whole
from howsure.errors import FileError


def test_write_whole_keeps_the_earlier_file_when_the_disk_is_full(tmp_path):
    target = tmp_path / "out.txt"
    target.write_text("earlier")

    def full(temporary):
        Path(temporary).write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(FileError, match=r"Writing '.*out.txt' failed \(No space left on device\).*unchanged"):
        write_whole(target, full)
    assert target.read_text() == "earlier"
    assert os.listdir(tmp_path) == ["out.txt"]


@pytest.mark.parametrize("fault", [KeyboardInterrupt, ZeroDivisionError])
def test_write_whole_leaves_nothing_behind_after_any_other_exception(tmp_path, fault):
    target = tmp_path / "out.txt"
    target.write_text("earlier")

    def interrupted(temporary):
        Path(temporary).write_text("half")
        raise fault

    with pytest.raises(fault):
        write_whole(target, interrupted)
    assert target.read_text() == "earlier"
    assert os.listdir(tmp_path) == ["out.txt"]


def test_write_whole_shows_nothing_before_it_is_complete(tmp_path):
    seen = []

    def write(temporary):
        seen.append((tmp_path / "out.txt").exists())
        assert Path(temporary).parent == tmp_path  # on the same disk, so that moving is atomic
        Path(temporary).write_text("new")

    write_whole(str(tmp_path / "out.txt"), write)
    assert seen == [False]
    assert (tmp_path / "out.txt").read_text() == "new"


@pytest.mark.skipif(os.name != "posix", reason="file modes of POSIX")
def test_write_whole_gives_the_file_the_usual_mode(tmp_path):
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "out.txt", lambda temporary: Path(temporary).write_text("new"))
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert (tmp_path / "out.txt").stat().st_mode & 0o777 == 0o640


def test_write_whole_into_a_missing_folder(tmp_path):
    with pytest.raises(FileError, match=r"Cannot write to '.*out\.txt'.*No such file or directory"):
        write_whole(tmp_path / "nowhere" / "out.txt", lambda temporary: pytest.fail("written"))


def test_write_whole_onto_a_folder(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(FileError, match=r"Writing '.*out' failed"):
        write_whole(tmp_path / "out", lambda temporary: Path(temporary).write_text("new"))
    assert os.listdir(tmp_path) == ["out"]
