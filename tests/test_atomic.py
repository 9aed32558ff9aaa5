import errno
import os
from pathlib import Path

import pytest

from howsure.atomic import check_folder, check_place, new_folder, write_whole
from howsure.errors import FileError, InputError


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
    with pytest.raises(FileError, match=r"'.*out' is a folder"):
        write_whole(tmp_path / "out", lambda temporary: Path(temporary).write_text("new"))
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.skipif(os.name != "posix", reason="file modes and links of POSIX")
def test_write_whole_keeps_permissions_and_links(tmp_path):
    real, link = tmp_path / "real" / "out.txt", tmp_path / "out.txt"
    real.parent.mkdir()
    real.write_text("earlier")
    real.chmod(0o604)
    link.symlink_to(real)
    write_whole(link, lambda temporary: Path(temporary).write_text("new"))
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert real.stat().st_mode & 0o777 == 0o604
    real.unlink()
    write_whole(link, lambda temporary: Path(temporary).write_text("again"))
    assert link.is_symlink()
    assert real.read_text() == "again"


@pytest.mark.skipif(os.name != "posix", reason="devices of POSIX")
def test_write_whole_replaces_no_device(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", os.devnull):
        with pytest.raises(FileError, match="is a device or a pipe"):
            write_whole(path, lambda temporary: pytest.fail("written"))


def test_write_whole_takes_the_longest_name_there_is(tmp_path):
    longest = tmp_path / ("n" * 251 + ".txt")
    write_whole(longest, lambda temporary: Path(temporary).write_text("new"))
    assert longest.read_text() == "new"
    with pytest.raises(FileError, match="File name too long"):
        check_place(tmp_path / ("n" * 256))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write what is read-only")
def test_write_whole_leaves_what_is_read_only(tmp_path):
    target = tmp_path / "out.txt"
    target.write_text("earlier")
    target.chmod(0o444)
    with pytest.raises(FileError, match="read-only"):
        write_whole(target, lambda temporary: pytest.fail("written"))


@pytest.mark.parametrize("path", [None, 3, b"out", "", "a\0b"])
def test_what_is_no_path(path):
    with pytest.raises(InputError, match="no path of a file"):
        write_whole(path, lambda temporary: pytest.fail("written"))


@pytest.mark.parametrize("beside", ["howsure", "new", ".howsure-"])
def test_a_folder_can_be_made_whatever_lies_beside_it(tmp_path, beside):
    (tmp_path / beside).mkdir()
    check_folder(tmp_path / "new")
    check_folder(tmp_path / "new" / "inside")
    check_folder(tmp_path / beside)
    assert os.listdir(tmp_path) == [beside]
    assert not os.listdir(tmp_path / beside)


def test_a_folder_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="cannot be made"):
        check_folder(tmp_path / "file" / "new")


def test_a_folder_that_was_made_goes_again_after_an_exception(tmp_path):
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "a" / "b"):
        raise ZeroDivisionError
    assert not os.listdir(tmp_path)
