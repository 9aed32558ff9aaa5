"""A file is a file, whatever its name looks like: no reader asks the network for it."""

import http.server
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import howsure
from howsure.data.files import read_rows
from howsure.data.rows import InputSpec

SCHEMES = ("http:", "https:", "s3:", "gs:", "zip:", "file:", "hf:")
GREY = [InputSpec("x", (8, 6, 1), "float32")]
FLAT = [InputSpec("x", (3,), "float32")]


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """The requests that reach a server on this machine, and a name for files that reads as its address."""
    found = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            found.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.chdir(tmp_path)
    yield found, f"127.0.0.1:{server.server_port}?q="
    server.shutdown()
    server.server_close()


READERS = {
    ".png": (lambda path: Image.new("L", (6, 8)).save(path), lambda path: read_rows(path, GREY)),
    ".npy": (lambda path: np.save(path, np.ones((2, 3))), lambda path: read_rows(path, FLAT)),
    ".npz": (lambda path: np.savez(path, x=np.ones((2, 3))), lambda path: read_rows(path, FLAT)),
    ".csv": (lambda path: path.write_text("a,b,c\n1,2,3\n4,5,6\n"), lambda path: read_rows(path, FLAT)),
    ".parquet": (
        lambda path: pq.write_table(pa.table({"a": [1.0], "b": [2.0], "c": [3.0]}), path.absolute()),
        lambda path: read_rows(path, FLAT),
    ),
    "": (
        lambda path: howsure.Certainty.from_probabilities(np.eye(3)).save(path.with_suffix(".parquet")),
        lambda path: howsure.load(path.with_suffix(".parquet")),
    ),
}
"""By ending, what writes a file and what reads it."""


@pytest.mark.parametrize("ending", READERS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_file_is_read_whatever_its_name_looks_like(scheme, ending, asked):
    found, address = asked
    write, read = READERS[ending]
    Path(scheme).mkdir()
    path = Path(scheme) / f"{address}{ending}"
    write(path)
    assert read(path) is not None
    assert not found


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_folder_of_classes_is_a_folder(scheme, asked):
    found, address = asked
    Path(scheme).mkdir()
    Image.new("L", (6, 8)).save(Path(scheme) / f"{address}.png")
    assert read_rows(Path(), GREY).class_names == (scheme,)
    assert not found
