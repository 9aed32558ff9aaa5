"""The page of `validation.segmentation`: what holds of Bayesian SegNet, and what settings rest on."""

from __future__ import annotations

from typing import Any

from benchmarks.docs import fold, table
from validation.camvid import NAMES, NETWORKS, REDUCED

Figures = dict[str, Any]

CALLED = {
    "segnet": "Bayesian SegNet",
    "unet": "U-Net, bottom",
    "unet_each": "U-Net, each level",
}

WEIGHTS = "0"
"""Stands for weight averaging, the plain prediction, among numbers of passes."""

RARE = 0.02
"""Share of the pixels below which a class is rare."""


def page(figures: Figures) -> str:
    """The page in Markdown."""
    done = {name: figures[name] for name in NETWORKS if name in figures}
    parts = [
        "# Segmentation on CamVid",
        *_answers(done),
        *_passes(done),
        *_kept(done),
        *_where(done),
        *_ranking(done),
        *_errors(done),
        "## How it was measured",
        f"CamVid has 367 training and 233 test images of 11 classes; here they are {160 // REDUCED} × "
        f"{120 // REDUCED} pixels, and every second test image is measured. The networks have four levels "
        "of 16 to 128 channels with one convolution each, "
        "and learn for 30 or 60 epochs, which is far from the published accuracy (mean IoU 63 % at 480 × "
        "360). "
        "`validation/camvid.py` has networks and recipe. Intervals are over blocks of five neighbours: "
        "the test images are two drives, so few of them are independent.",
        "All figures are in [segmentation-study.json](segmentation-study.json). "
        "`python -m validation.segmentation` measures them again; with `--page` it only writes this page. "
        "The "
        "data are not part of this repository: the command reads them from `../shared/data`.",
    ]
    return "\n\n".join(parts) + "\n"


def _percent(value: float, decimals: int = 1) -> str:
    return f"{100 * value:.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def _between(ends: list[float]) -> str:
    return f"{_percent(ends[0])} to {_percent(ends[1])}"


def _called(done: Figures) -> list[str]:
    return [CALLED[name] for name in done]


def _gain(of: Figures, passes: str) -> float:
    return float(of["by passes"][passes]["mean IoU"] - of["by passes"][WEIGHTS]["mean IoU"])


def _better_from(of: Figures) -> str:
    """The fewest passes from which on the mean IoU is never below that of weight averaging."""
    numbers = [number for number in of["by passes"] if number != WEIGHTS]
    worse = [at for at, number in enumerate(numbers) if _gain(of, number) <= 0]
    at = worse[-1] + 1 if worse else 0
    return numbers[at] if at < len(numbers) else "never"


def _answers(done: Figures) -> list[str]:
    """The first table: claims, and what is found here."""

    def row(claim: str, cell: Any) -> list[str]:
        return [claim, *(cell(of) for of in done.values())]

    def gain(of: Figures) -> str:
        ends = of["by passes"]["50"]["gained"]
        return f"{_percent(_gain(of, '50'))} ({_between(ends)})"

    def edge(of: Figures) -> str:
        near, far = of["where"]["edges"][0], of["where"]["edges"][-1]
        return f"{near['mutual information'] / far['mutual information']:.1f} ×"

    def rare(of: Figures) -> str:
        classes = of["where"]["classes"]
        few = [each["mutual information"] for each in classes if each["share"] < RARE]
        many = [each["mutual information"] for each in classes if each["share"] >= RARE]
        return f"{sum(few) / len(few) / (sum(many) / len(many)):.1f} ×"

    def most_certain(of: Figures) -> str:
        dropout, plain = (of["kept"][name] for name in ("1 − probability", "plain 1 − probability"))
        return f"{_percent(dropout[1])}, plain {_percent(plain[1])}"

    def ranks(of: Figures) -> str:
        scores = of["ranking"]["dice"]["scores"]
        best, plain = (scores[f"{which}{CHOSEN}"] for which in ("", "plain: "))
        return f"{_percent(best['aurc'])}, plain {_percent(plain['aurc'])}"

    def covers(name: str) -> Any:
        return lambda of: f"{_percent(of['errors']['default'][name], 0)} %"

    return [
        table(
            ["claim, or question", *_called(done)],
            row("MC dropout adds to mean IoU, 50 passes, points", gain),
            row("… and does so from how many passes on (published: 6)", _better_from),
            row("accuracy of the more certain half of the pixels, %", most_certain),
            row("passes disagree more within a pixel of an edge than 8 pixels away, by", edge),
            row(f"… and in classes with less than {100 * RARE:.0f} % of the pixels, by", rare),
            row("mean risk (1 − Dice) of images ranked by `result.doubt`, %", ranks),
            row("… in an order by chance, %", lambda of: _percent(of["ranking"]["dice"]["of chance"])),
            row("± 1.96 errors of the map cover", covers("map covers")),
            row("± 1.96 errors of the shares cover", covers("share covers")),
            row("passes per image by default", lambda of: f"{of['assess']['passes']:.0f}"),
        ),
        _meaning(done),
    ]


CHOSEN, OVER_ALL = "mean of 1 − probability, over classes", "mean of 1 − probability"
"""The score that `DenseCertainty.doubt` is, and the same over all pixels."""


def _meaning(done: Figures) -> str:
    """What the first table says, in words."""
    of = list(done.values())
    better = [each for each in of if each["by passes"]["50"]["gained"][0] > 0]
    most = max(_gain(each, "50") for each in of)
    scores = [each["ranking"] for each in of]

    def chance(bad: str, score: str, sign: int) -> int:
        """On how many networks a score ranks images better (1) or worse (−1) than chance."""
        differences = (each[bad]["of chance"] - each[bad]["scores"][score]["aurc"] for each in scores)
        return sum(sign * difference > 0 for difference in differences)

    gap = max(
        each[bad]["scores"][f"plain: {score}"]["aurc"] - each[bad]["scores"][score]["aurc"]
        for each in scores
        for bad in ("dice", "accuracy")
        for score in (CHOSEN, OVER_ALL)
    )
    covers = [
        _percent(end([e[name] for each in of for e in each["errors"].values()]), 0)
        for name, end in (
            *(("map covers", min), ("map covers", max)),
            *(("share covers", min), ("share covers", max)),
        )
    ]
    return "\n".join(
        [
            f"- MC dropout adds to mean IoU by more than chance on {len(better)} of {len(of)} networks, at "
            "most "
            f"{_percent(most)} points. The paper reports 2 to 3 points.",
            "- Doubt is where the paper sees it: at edges, and in classes that are rare or hard.",
            "- MC dropout hardly ranks pixels or images better than the plain softmax does with the same "
            "score: "
            f"its risk is at most {_percent(gap)} points less.",
            f"- By Dice, the mean over all pixels ranks images worse than chance on "
            f"{chance('dice', OVER_ALL, -1)} "
            f"of {len(of)} networks, the mean over classes better on {chance('dice', CHOSEN, 1)}. By "
            "accuracy "
            f"both are better than chance, on {chance('accuracy', OVER_ALL, 1)} and "
            f"{chance('accuracy', CHOSEN, 1)} networks, and the mean over all pixels is the better one. "
            "Segmentation is judged by Dice, so `result.doubt` is the mean over classes.",
            f"- ± 1.96 errors cover {covers[0]} to {covers[1]} % of the pixels of the map and {covers[2]} to "
            f"{covers[3]} % of the shares, by network and number of passes; 95 % is right.",
        ]
    )


def _passes(done: Figures) -> list[str]:
    numbers = list(next(iter(done.values()))["by passes"])
    rows = []
    for number in numbers:
        cells = ["weight averaging" if number == WEIGHTS else number]
        for of in done.values():
            each = of["by passes"][number]
            cells.append(f"{_percent(each['accuracy'])}, {_percent(each['mean IoU'])}")
        rows.append(cells)
    rows.append(
        [
            "`assess`",
            *(
                f"{_percent(of['assess']['accuracy'])}, {_percent(of['assess']['mean IoU'])}"
                for of in done.values()
            ),
        ]
    )
    return [
        "## MC dropout beside weight averaging",
        table(["passes", *(f"{name}: accuracy, mean IoU, %" for name in _called(done))], *rows),
        "Passes are independent ones of a textbook loop. Weight averaging is the plain prediction.",
    ]


def _kept(done: Figures) -> list[str]:
    rows = []
    for name, of in done.items():
        for score, values in of["kept"].items():
            rows.append([CALLED[name], score, *(_percent(value) for value in values)])
    return [
        "## Accuracy of the most certain pixels",
        table(["network", "ordered by", "all", "50 % kept", "20 %", "10 %"], *rows),
    ]


def _where(done: Figures) -> list[str]:
    edges, classes = [], []
    for number, first in enumerate(next(iter(done.values()))["where"]["edges"]):
        low, high = first["low"], first["high"]
        told = f"above {low}" if high >= 99 else f"above {low}, to {high}"
        cells = [told]
        for of in done.values():
            each = of["where"]["edges"][number]
            cells.append(
                f"{_percent(1 - each['accuracy'])}, {each['entropy']:.2f}, {each['mutual information']:.3f}"
            )
        edges.append(cells)
    for k, name in enumerate(NAMES):
        share = next(iter(done.values()))["where"]["classes"][k]["share"]
        cells = [name, _percent(share)]
        for of in done.values():
            each = of["where"]["classes"][k]
            cells.append(
                f"{_percent(each['IoU'], 0)}, {each['entropy']:.2f}, {each['mutual information']:.3f}"
            )
        classes.append(cells)
    return [
        "## Where doubt is",
        table(["pixels to the edge", *(f"{name}: wrong %, entropy, MI" for name in _called(done))], *edges),
        *fold(
            "Class by class",
            table(
                ["true class", "share, %", *(f"{name}: IoU %, entropy, MI" for name in _called(done))],
                *classes,
            ),
        ),
        "Entropy and mutual information (MI) are means, in nats.",
    ]


def _ranking(done: Figures) -> list[str]:
    told = ["## Which score ranks images"]
    for bad, called in (("dice", "1 − mean Dice of the classes present"), ("accuracy", "1 − accuracy")):
        rows = []
        for score in next(iter(done.values()))["ranking"][bad]["scores"]:
            cells = [score]
            for of in done.values():
                each = of["ranking"][bad]["scores"][score]
                cells.append(
                    f"{_percent(each['aurc'], 2)} ({_between(each['beyond'])}), {_number(each['spearman'])}"
                )
            rows.append(cells)
        for name in ("of an oracle", "of chance"):
            rows.append([name, *(_percent(of["ranking"][bad][name], 2) for of in done.values())])
        told += [
            f"Risk: {called}.",
            *fold(
                "All scores", table(["score", *(f"{name}: AURC, Spearman" for name in _called(done))], *rows)
            ),
        ]
    told.append(
        "AURC in per cent, the mean risk over all numbers of images kept: less is better. In brackets: how "
        "much "
        "more it is than that of the first score, 95 % of resampled images."
    )
    return told


def _worth(done: Figures) -> str:
    """As how many independent passes 20 balanced ones are, by network."""
    worth = sorted(
        20 * (of["errors"]["20, independent"]["off"] / of["errors"]["20"]["off"]) ** 2 for of in done.values()
    )
    return f"{worth[0]:.0f} to {worth[-1]:.0f}"


def _moved(done: Figures, name: str) -> float:
    """The most that a figure changes from 80 to 160 passes."""
    return max(abs(of["errors"]["160"][name] - of["errors"]["80"][name]) for of in done.values())


def _done(done: Figures) -> str:
    """How many passes images would take by either share of known pixels."""
    said = []
    for name, of in done.items():
        needs = []
        for share in ("done at 0.9", "done at 0.95"):
            at = of["errors"]
            needs.append(80 - 40 * at["40"][share] - 20 * at["20"][share])
        said.append(f"{CALLED[name]} takes {needs[0]:.0f} passes, and would take {needs[1]:.0f} with 95 %")
    return f"{'; '.join(said)}."


def _errors(done: Figures) -> list[str]:
    columns = ("map covers", "map covers, 0.1 to 0.9", "share covers", "spread covers")
    more = ("known", "done at 0.9", "done at 0.95", "label differs", "verdict differs", "accuracy")
    rows = []
    for name, of in done.items():
        for passes, each in of["errors"].items():
            told = f"default: {each['passes']:.0f}" if passes == "default" else passes
            rows.append(
                [
                    CALLED[name],
                    told,
                    f"{each['off']:.4f}, {each['said']:.4f}",
                    *(_percent(each[column]) for column in columns),
                    *(_percent(each[column]) for column in more),
                    f"{each['NLL']:.4f}",
                ]
            )
    head = ["network", "passes", "error of the map: true, said", "± 1.96 errors cover: map, %"]
    head += ["… where 0.1 to 0.9", "shares", "spread", "pixels settled and known to 0.02, %"]
    head += ["images with 90 % such pixels, %", "… with 95 %", "other label, %"]
    head += ["settled, but another verdict, %", "accuracy, %", "NLL"]
    return [
        "## Errors, and the number of passes",
        *fold("All numbers of passes", table(head, *rows)),
        "On 6 test images, against 2,000 passes; three seeds each. Shares and spread of classes with at "
        "least "
        "0.1 % of the pixels. *Known* pixels are settled, and their error is at most 0.02. Where fewer "
        "than 95 % "
        "of the map are covered, these are mostly pixels near certainty: few passes have not met the rare "
        "ones "
        "that differ.",
        "What howsure's defaults rest on:",
        "- *20 passes first.* At a dropout rate of 0.2, 10 passes make no balanced groups, and later rounds "
        f"repeat the groups of the first. 20 balanced passes have the error of {_worth(done)} independent "
        "ones.",
        f"- *At most 80.* With 160, accuracy changes by at most {_percent(_moved(done, 'accuracy'), 2)} "
        "points "
        f"and the log-likelihood by {_moved(done, 'NLL'):.4f}. After 80 passes at most "
        f"{_percent(max(of['errors']['80']['label differs'] for of in done.values()))} % of the pixels have "
        "another label than after 2,000.",
        f"- *An image is done when 90 % of its pixels are known.* The others lie close to a threshold. "
        f"{_done(done)} "
        "Accuracy and log-likelihood are the same.",
    ]
