"""Bars as high as their ratios, in well-formed SVG."""

from __future__ import annotations

from xml.etree import ElementTree

from tests.bench.cpu.plot import HEIGHT, Bar, svg

NAMESPACE = "{http://www.w3.org/2000/svg}"


def test_heights_are_in_the_proportion_of_the_ratios() -> None:
    bars = [Bar("batch 1", "q8_0", 1.0, 1.2), Bar("batch <8>", "q8_0", 4.0, 3.0)]
    root = ElementTree.fromstring(svg("Forge & others", bars))  # noqa: S314 (our own text)
    drawn = [
        float(rect.attrib["height"])
        for rect in root.iter(f"{NAMESPACE}rect")
        if rect.find(f"{NAMESPACE}title") is not None
    ]
    assert drawn[1] == 4 * drawn[0] <= HEIGHT
