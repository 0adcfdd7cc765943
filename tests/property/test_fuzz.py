"""The fuzz targets, bounded, on their kept corpora."""

import runpy

from tests.paths import ROOT
from tests.soak import short_and_long


@short_and_long("number", 15_000, 1_000_000)
def test_the_codec_survives_mutations(number):
    runpy.run_path(str(ROOT / "fuzz" / "http1.py"))["main"]([str(number)])


@short_and_long("number", 5_000, 1_000_000)
def test_compressed_heads_survive_mutations(number):
    runpy.run_path(str(ROOT / "fuzz" / "compression.py"))["main"]([str(number)])
