"""Colours of classes on maps."""

from __future__ import annotations

OKABE_ITO = ("#56b4e9", "#e69f00", "#009e73", "#d55e00", "#0072b2", "#cc79a7", "#f0e442", "#000000")
"""Eight colours that people with any common kind of colour vision tell apart (Okabe and Ito 2008); black is
last, as nothing shows through it."""

KELLY = (
    *("#f3c300", "#875692", "#f38400", "#a1caf1", "#be0032", "#c2b280", "#008856", "#e68fac", "#0067a5"),
    *("#f99379", "#604e97", "#f6a600", "#b3446c", "#dcd300", "#882d17", "#8db600", "#654522", "#e25822"),
    *("#2b3d26", "#222222"),
)
"""Colours of maximum contrast in Kelly's order (1965), without white and grey. People with defective colour
vision tell the first ones apart, so a map of more classes than eight has names on it as well."""

OTHERS = "#848482"
"""Grey: classes without a colour of their own."""


def class_colours(classes: int) -> tuple[str, ...]:
    """A colour for each of K classes, as `#rrggbb`; of more classes than colours, the last ones are grey."""
    if classes <= len(OKABE_ITO):
        return OKABE_ITO[:classes]
    return (*KELLY, *[OTHERS] * (classes - len(KELLY)))[:classes]
