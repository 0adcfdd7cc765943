"""MaxMind databases for tests, as GeoLite2-Country has them."""

from pathlib import Path

from mmdb_writer import MMDBWriter
from netaddr import IPSet


def write_countries(path: Path, countries: dict[str, str], kind: str = "GeoLite2-Country", **more: object) -> None:
    """``countries``: codes by network."""
    writer = MMDBWriter(6, kind, ipv4_compatible=True, **more)
    for network, code in countries.items():
        writer.insert_network(IPSet([network]), {"country": {"iso_code": code}, "continent": {"code": "EU"}})
    writer.to_db_file(str(path))
