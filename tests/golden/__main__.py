"""Write what howsure says now into tests/golden/said/."""

import shutil

from tests.golden.master import HERE, text_now, texts

if __name__ == "__main__":
    shutil.rmtree(HERE, ignore_errors=True)
    for name in texts():
        path = HERE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text_now(name), encoding="utf-8")
