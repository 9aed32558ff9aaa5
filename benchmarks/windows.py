"""What large images cost: `tile=` beside MONAI's sliding windows, alone and in a loop with dropout on.

    python -m benchmarks.windows

Needs `pip install monai`. Takes two minutes on one thread. Times are those of the processor, in plain
predictions by windows.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from monai.inferers import sliding_window_inference
from monai.networks.nets import BasicUNet
from torch import nn

import howsure

SIDE, WINDOW, OVERLAP, PASSES, REPEATS = 256, 96, 24, 10, 3


class Windows(nn.Module):
    """A network that sees an image in windows."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 2, H, W) logits."""
        sides = (WINDOW, WINDOW)
        return sliding_window_inference(x, sides, 4, self.network, OVERLAP / WINDOW)  # type: ignore[no-any-return]


def seconds(run: Callable[[], object], repeats: int = REPEATS) -> float:
    """Of the processor, the least of some runs."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    return min(taken)


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = BasicUNet(2, 1, 2, (16, 16, 32, 32, 64, 16), dropout=0.2).eval()
    whole, x = Windows(network).eval(), torch.randn(2, 1, SIDE, SIDE)

    def refused() -> None:
        try:
            howsure.assess(whole, x, outputs="logits")
        except howsure.ModelError:
            return
        raise AssertionError("windows within a module were not refused")

    def tiled() -> object:
        method = howsure.MCDropout(passes=PASSES)
        return howsure.assess(network, x, outputs="logits", tile=WINDOW, overlap=OVERLAP, method=method)

    def loop() -> list[torch.Tensor]:
        return [whole(x).softmax(dim=1) for _ in range(PASSES)]

    with torch.no_grad():
        plain = seconds(lambda: whole(x))
        print(f"a plain prediction by windows: {plain:.2f} s")
        print(f"windows in the module, refused: {seconds(refused, 1) / plain:.1f}")
        print(f"tile={WINDOW}, {PASSES} passes: {seconds(tiled) / plain:.1f}")
        for module in network.modules():
            module.train("Dropout" in type(module).__name__)
        print(f"a loop of {PASSES} with dropout on: {seconds(loop) / plain:.1f}")


if __name__ == "__main__":
    main()
