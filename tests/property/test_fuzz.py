"""The fuzz target, bounded, on its kept corpus."""

import runpy

from tests.paths import ROOT


def test_the_codec_survives_a_hundred_thousand_mutations():
    runpy.run_path(str(ROOT / "fuzz" / "http1.py"))["main"](["100000"])
