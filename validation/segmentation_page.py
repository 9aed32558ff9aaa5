"""The page of `validation.segmentation`: what holds of Bayesian SegNet, and what settings rest on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.docs import shares, table
from validation.camvid import NAMES

Figures = dict[str, Any]

CALLED = {
    "segnet": "Bayesian SegNet",
    "unet": "U-Net, bottom",
    "unet_each": "U-Net, each level",
}


def parts(done: Figures) -> dict[str, object]:
    """Figures and tables of the page."""
    of, named = list(done.values()), [CALLED[name] for name in done]

    def heads(first: str, more: str) -> list[str]:
        return [first, *(f"{name}: {more}" for name in named)]

    by_passes = [
        ["weight averaging" if number == "0" else number]
        + [_scores(each["by passes"][number]) for each in of]
        for number in of[0]["by passes"]
    ]
    by_passes.append(["`assess`", *(_scores(each["assess"]) for each in of)])
    kept = [
        [CALLED[name], score, *map(_percent, values)]
        for name, each in done.items()
        for score, values in each["kept"].items()
    ]
    edges = [
        [f"above {low}" if high >= 99 else f"above {low}, to {high}"]
        + [_doubt(_percent(1 - each["accuracy"]), each) for each in (one["where"]["edges"][at] for one in of)]
        for at, (low, high) in enumerate((edge["low"], edge["high"]) for edge in of[0]["where"]["edges"])
    ]
    classes = [
        [name, _percent(of[0]["where"]["classes"][k]["share"])]
        + [_doubt(_percent(each["IoU"], 0), each) for each in (one["where"]["classes"][k] for one in of)]
        for k, name in enumerate(NAMES)
    ]
    errors = [
        [CALLED[name], f"default: {each['passes']:.0f}" if count == "default" else count]
        + [f"{each['off']:.4f}, {each['said']:.4f}", *(_percent(each[column]) for column in COLUMNS)]
        + [f"{each['NLL']:.4f}"]
        for name, one in done.items()
        for count, each in one["errors"].items()
    ]

    def ranked(bad: str) -> str:
        rankings = [each["ranking"][bad] for each in of]
        told = [
            [score, *(_ranked(each["scores"][score]) for each in rankings)] for score in rankings[0]["scores"]
        ]
        for name in ("of an oracle", "of chance"):
            told.append([name, *(_percent(each[name], 2) for each in rankings)])
        return table(heads("score", "AURC, Spearman"), *told)

    return {
        "claims": table(["claim, or question", *named], *_claims(of)),
        **_meaning(of),
        "by_passes": table(heads("passes", "accuracy, mean IoU, %"), *by_passes),
        "kept": table(["network", "ordered by", "all", "50 % kept", "20 %", "10 %"], *kept),
        "edges": table(heads("pixels to the edge", "wrong %, entropy, MI"), *edges),
        "classes": table(["true class", "share, %", *heads("", "IoU %, entropy, MI")[1:]], *classes),
        "ranked_by_dice": ranked("dice"),
        "ranked_by_accuracy": ranked("accuracy"),
        "errors": table([*HEADS], *errors),
        **_defaults(of),
    }


def _scores(each: Figures) -> str:
    return f"{_percent(each['accuracy'])}, {_percent(each['mean IoU'])}"


def _doubt(first: str, each: Figures) -> str:
    return f"{first}, {each['entropy']:.2f}, {each['mutual information']:.3f}"


def _ranked(each: Figures) -> str:
    low, high = map(_percent, each["beyond"])
    return f"{_percent(each['aurc'], 2)} ({low} to {high}), {each['spearman']:.2f}".replace("-", "−")


def _gain(of: Figures, passes: str) -> float:
    return float(of["by passes"][passes]["mean IoU"] - of["by passes"]["0"]["mean IoU"])


def _claims(of: list[Figures]) -> list[list[str]]:
    """The first table: claims, and what is found here."""

    def gain(each: Figures) -> str:
        low, high = map(_percent, each["by passes"]["50"]["gained"])
        return f"{_percent(_gain(each, '50'))} ({low} to {high})"

    def better_from(each: Figures) -> str:
        """The fewest passes from which on the mean IoU is never below that of weight averaging."""
        numbers = list(each["by passes"])[1:]
        worse = [at for at, number in enumerate(numbers) if _gain(each, number) <= 0]
        return [*numbers, "never"][worse[-1] + 1 if worse else 0]

    def edge(each: Figures) -> str:
        near, far = each["where"]["edges"][0], each["where"]["edges"][-1]
        return f"{near['mutual information'] / far['mutual information']:.1f} ×"

    def rare(each: Figures) -> str:
        few, many = (
            np.mean(
                [
                    one["mutual information"]
                    for one in each["where"]["classes"]
                    if (one["share"] < RARE) == is_rare
                ]
            )
            for is_rare in (True, False)
        )
        return f"{few / many:.1f} ×"

    def most_certain(each: Figures) -> str:
        dropout, plain = (each["kept"][name][1] for name in ("1 − probability", "plain 1 − probability"))
        return f"{_percent(dropout)}, plain {_percent(plain)}"

    def ranks(each: Figures) -> str:
        scores = each["ranking"]["dice"]["scores"]
        return f"{_percent(scores[CHOSEN]['aurc'])}, plain {_percent(scores[f'plain: {CHOSEN}']['aurc'])}"

    claims: dict[str, Callable[[Figures], str]] = {
        "MC dropout adds to mean IoU, 50 passes, points": gain,
        "… and does so from how many passes on (published: 6)": better_from,
        "accuracy of the more certain half of the pixels, %": most_certain,
        "passes disagree more within a pixel of an edge than 8 pixels away, by": edge,
        f"… and in classes with less than {100 * RARE:.0f} % of the pixels, by": rare,
        "mean risk (1 − Dice) of images ranked by `result.doubt`, %": ranks,
        "… in an order by chance, %": lambda each: _percent(each["ranking"]["dice"]["of chance"]),
        "± 1.96 errors of the map cover": lambda each: (
            f"{_percent(each['errors']['default']['map covers'], 0)} %"
        ),
        "± 1.96 errors of the shares cover": lambda each: (
            f"{_percent(each['errors']['default']['share covers'], 0)} %"
        ),
        "passes per image by default": lambda each: f"{each['assess']['passes']:.0f}",
    }
    return [[claim, *map(cell, of)] for claim, cell in claims.items()]


def _meaning(of: list[Figures]) -> dict[str, object]:
    """What the first table comes to."""

    def chance(bad: str, score: str, sign: int) -> int:
        """On how many networks a score ranks images better (1) or worse (−1) than chance."""
        scores = (each["ranking"][bad] for each in of)
        return sum(sign * (each["of chance"] - each["scores"][score]["aurc"]) > 0 for each in scores)

    gaps = [
        each["ranking"][bad]["scores"][f"plain: {score}"]["aurc"]
        - each["ranking"][bad]["scores"][score]["aurc"]
        for each in of
        for bad in ("dice", "accuracy")
        for score in (CHOSEN, OVER_ALL)
    ]
    runs = [run for each in of for run in each["errors"].values()]
    return {
        "better": sum(each["by passes"]["50"]["gained"][0] > 0 for each in of),
        "most": _percent(max(_gain(each, "50") for each in of)),
        "gap": _percent(max(gaps)),
        "worse_by_dice": chance("dice", OVER_ALL, -1),
        "better_by_dice": chance("dice", CHOSEN, 1),
        "map_covers": shares([run["map covers"] for run in runs]),
        "share_covers": shares([run["share covers"] for run in runs]),
    }


def _defaults(of: list[Figures]) -> dict[str, object]:
    """What howsure's defaults rest on."""

    def moved(name: str) -> float:
        """The most that a figure changes from 80 to 160 passes."""
        return max(abs(each["errors"]["160"][name] - each["errors"]["80"][name]) for each in of)

    def needed(share: str) -> str:
        """How many passes images of each network take by a share of known pixels."""
        at = (each["errors"] for each in of)
        return ", ".join(f"{80 - 40 * each['40'][share] - 20 * each['20'][share]:.0f}" for each in at)

    worth = [
        20 * (each["errors"]["20, independent"]["off"] / each["errors"]["20"]["off"]) ** 2 for each in of
    ]
    return {
        "worth": f"{min(worth):.0f} to {max(worth):.0f}",
        "moved_accuracy": _percent(moved("accuracy"), 2),
        "moved_nll": f"{moved('NLL'):.4f}",
        "label_differs": _percent(max(each["errors"]["80"]["label differs"] for each in of)),
        "needed_at_90": needed("done at 0.9"),
        "needed_at_95": needed("done at 0.95"),
    }


RARE = 0.02
"""Share of the pixels below which a class is rare."""

CHOSEN, OVER_ALL = "mean of 1 − probability, over classes", "mean of 1 − probability"
"""The score that `DenseCertainty.doubt` is, and the same over all pixels."""

COLUMNS = {
    "map covers": "± 1.96 errors cover: map, %",
    "map covers, 0.1 to 0.9": "… where 0.1 to 0.9",
    "share covers": "shares",
    "spread covers": "spread",
    "known": "pixels settled and known to 0.02, %",
    "done at 0.9": "images with 90 % such pixels, %",
    "done at 0.95": "… with 95 %",
    "label differs": "other label, %",
    "verdict differs": "settled, but another verdict, %",
    "accuracy": "accuracy, %",
}
HEADS = ("network", "passes", "error of the map: true, said", *COLUMNS.values(), "NLL")


def _percent(value: float, decimals: int = 1) -> str:
    return f"{100 * value:.{decimals}f}".replace("-", "\N{MINUS SIGN}")
