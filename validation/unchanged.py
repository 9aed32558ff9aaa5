"""Whether a change of the code left every number as it was.

    python -m validation.unchanged keep FOLDER            with the code of before, from its own checkout
    python -m validation.unchanged compare FOLDER         with the code of now
    python -m validation.unchanged compare FOLDER mlp torch       one network, one backend

It assesses 2,000 test images by each network of `benchmarks` on each backend, in a process of its own, and
holds passes, probabilities and errors against those that were kept. Passes have to be equal, and the others
to be no more than 1e-6 apart.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

NETWORKS = ("mlp", "classic", "residual", "transformer", "transfer", "question")
BACKENDS = ("tensorflow", "torch", "jax")
ROWS = 2_000
ALLOWED = 1e-6
COLUMNS = (
    *("probabilities", "mc_error", "expected_entropy", "entropy", "mutual_information"),
    *("entropy_error", "expected_entropy_error", "mutual_information_error"),
)


def assessed(network: str, path: Path) -> None:
    """Assess the rows in this process, and keep what came out."""
    import howsure
    from benchmarks import networks

    x = networks.NETWORKS[network].data().x_test[:ROWS]
    found = howsure.assess(networks.load(network), x)
    np.savez(path, passes=found.passes, **{name: getattr(found, name) for name in COLUMNS})


def run(network: str, backend: str, path: Path) -> None:
    """The same in a process of its own."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "validation.unchanged", "assess", network, str(path)]
    subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL)


def compared(before: Path, now: Path) -> tuple[str, bool]:
    """How far two results are apart, in words, and whether that is allowed."""
    old, new = np.load(before), np.load(now)
    apart = {name: float(np.max(np.abs(old[name] - new[name]))) for name in COLUMNS}
    same_passes = bool(np.array_equal(old["passes"], new["passes"]))
    fine = same_passes and max(apart.values()) <= ALLOWED
    errors = max(number for name, number in apart.items() if name.endswith("error"))
    words = f"passes {'equal' if same_passes else 'DIFFER'} ({int(new['passes'].sum()):,})"
    return f"{words}, probabilities {apart['probabilities']:.1e}, errors {errors:.1e}", fine


def main() -> None:
    """Keep, compare, or assess one network."""
    what, *others = sys.argv[1:]
    if what == "assess":
        assessed(others[0], Path(others[1]))
        return
    folder, chosen = Path(others[0]), others[1:]
    folder.mkdir(parents=True, exist_ok=True)
    all_fine = True
    for network in NETWORKS:
        for backend in BACKENDS:
            if not set(chosen) <= {network, backend}:
                continue
            kept = folder / f"{network}-{backend}.npz"
            if what == "keep":
                if not kept.exists():
                    run(network, backend, kept)
                continue
            now = folder / f"{network}-{backend}-now.npz"
            run(network, backend, now)
            said, fine = compared(kept, now)
            all_fine &= fine
            print(f"{network:12} {backend:11} {said}{'' if fine else '  <-- CHANGED'}", flush=True)
    if not all_fine:
        sys.exit(1)


if __name__ == "__main__":
    main()
