"""Content-Type by the end of a name.  The types are IANA's, or what browsers want where it has none."""

from collections.abc import Mapping
from typing import Final

from rsp.config.content import COMPRESSED

UNKNOWN: Final = "application/octet-stream"
_TABLE: Final = """
text/html                        html htm shtml
text/css                         css
text/javascript                  js mjs cjs
application/json                 json map
application/ld+json              jsonld
application/geo+json             geojson
application/manifest+json        webmanifest
application/x-ndjson             ndjson jsonl
application/wasm                 wasm
application/xml                  xml xsl xsd rng
application/xhtml+xml            xhtml xht
application/rss+xml              rss
application/atom+xml             atom
application/xslt+xml             xslt
application/yaml                 yaml yml
application/toml                 toml
application/sql                  sql
text/plain                       txt text log conf ini cfg nfo diff patch asc
text/markdown                    md markdown
text/csv                         csv
text/tab-separated-values        tsv
text/calendar                    ics ifb
text/vcard                       vcf vcard
text/vtt                         vtt
text/x-component                 htc
application/x-subrip             srt
image/png                        png
image/apng                       apng
image/jpeg                       jpg jpeg jpe jfif
image/gif                        gif
image/webp                       webp
image/avif                       avif
image/jxl                        jxl
image/heic                       heic
image/heif                       heif
image/svg+xml                    svg
image/x-icon                     ico cur
image/bmp                        bmp
image/tiff                       tif tiff
image/vnd.adobe.photoshop        psd
font/woff                        woff
font/woff2                       woff2
font/ttf                         ttf
font/otf                         otf
font/collection                  ttc
application/vnd.ms-fontobject    eot
audio/mpeg                       mp3
audio/mp4                        m4a
audio/aac                        aac
audio/ogg                        ogg oga opus
audio/wav                        wav
audio/flac                       flac
audio/midi                       mid midi kar
audio/webm                       weba
audio/x-aiff                     aif aiff
video/mp4                        mp4 m4v
video/webm                       webm
video/ogg                        ogv
video/quicktime                  mov qt
video/mpeg                       mpg mpeg
video/mp2t                       ts m2ts
video/x-matroska                 mkv
video/x-msvideo                  avi
video/x-flv                      flv
video/x-ms-wmv                   wmv
video/3gpp                       3gp 3gpp
application/vnd.apple.mpegurl    m3u8
audio/x-mpegurl                  m3u
application/dash+xml             mpd
model/gltf+json                  gltf
model/gltf-binary                glb
model/obj                        obj
model/stl                        stl
application/pdf                  pdf
application/postscript           ps eps ai
application/rtf                  rtf
application/epub+zip             epub
application/msword               doc dot
application/vnd.ms-excel         xls
application/vnd.ms-powerpoint    ppt
application/vnd.openxmlformats-officedocument.wordprocessingml.document    docx
application/vnd.openxmlformats-officedocument.spreadsheetml.sheet          xlsx
application/vnd.openxmlformats-officedocument.presentationml.presentation  pptx
application/vnd.oasis.opendocument.text          odt
application/vnd.oasis.opendocument.spreadsheet   ods
application/vnd.oasis.opendocument.presentation  odp
application/zip                  zip
application/gzip                 gz tgz
application/zstd                 zst
application/x-brotli             br
application/x-bzip2              bz2
application/x-xz                 xz
application/x-tar                tar
application/x-7z-compressed      7z
application/vnd.rar              rar
application/java-archive         jar war ear
application/vnd.android.package-archive  apk
application/vnd.debian.binary-package    deb
application/x-rpm                rpm
application/x-iso9660-image      iso
application/x-apple-diskimage    dmg
application/vnd.sqlite3          sqlite sqlite3
application/x-x509-ca-cert       der pem crt
application/pgp-signature        sig
application/pgp-keys             gpg
application/timestamped-data     tsd
application/x-shockwave-flash    swf
application/vnd.google-earth.kml+xml  kml
application/vnd.google-earth.kmz      kmz
application/gpx+xml              gpx
application/x-bittorrent         torrent
application/octet-stream         bin exe dll msi img msp msm
"""
TYPES: Final = {end: media for media, *ends in map(str.split, _TABLE.split("\n")[1:-1]) for end in ends}
_PACKED: Final = (b".gz", b".br", b".zst", b".bz2", b".xz", b".7z", b".rar", b".jar", b".pdf")


class Types:
    """``own``: before the table, by the end of a name without its dot; ``charset``: of text, or empty."""

    __slots__ = ("_charset", "_known")

    def __init__(self, own: Mapping[str, str], charset: str) -> None:
        self._known = TYPES | {end.lower().removeprefix("."): media for end, media in own.items()}
        self._charset = f"; charset={charset}" if charset else ""

    def of(self, name: bytes) -> bytes:
        """The longest end that is known decides: ``tar.gz`` before ``gz``."""
        last = name[name.rfind(b"/") + 1 :].decode("latin-1").lower()
        for _ in range(last.count(".") - 4):  # too many to be meant
            last = last.partition(".")[2]
        media = UNKNOWN
        while media is UNKNOWN and last:
            last = last.partition(".")[2]
            media = self._known.get(last, UNKNOWN)
        return (media + self._charset if media.startswith("text/") and ";" not in media else media).encode()


def is_packed(name: bytes, media: bytes) -> bool:
    """Whether a file is compressed already, so that no ``.gz`` is looked for beside it."""
    return COMPRESSED.match(media.decode("latin-1")) is not None or name.lower().endswith(_PACKED)
