"""WebM (Matroska, RFC 9559) from pictures: a video in which every frame is a key frame, with an index at its end.

A lossy WebP picture, as a browser's canvas makes it, holds a key frame of VP8 (RFC 6386).
"""

import struct
from collections.abc import Sequence


def vp8(webp: bytes) -> bytes:
    """The key frame in a picture."""
    assert webp[:4] == b"RIFF" and webp[8:12] == b"WEBP", webp[:16]
    at = 12
    while at < len(webp):
        size = int.from_bytes(webp[at + 4 : at + 8], "little")
        if webp[at : at + 4] == b"VP8 ":
            return webp[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    raise AssertionError("the picture has no key frame of VP8")


def _element(ident: int, *parts: bytes) -> bytes:
    """All sizes have eight bytes."""
    content = b"".join(parts)
    return ident.to_bytes((ident.bit_length() + 7) // 8) + b"\x01" + len(content).to_bytes(7) + content


def _number(ident: int, value: int) -> bytes:
    return _element(ident, value.to_bytes(8))


def _place(ident: int, position: int) -> bytes:
    return _element(0x4DBB, _element(0x53AB, ident.to_bytes(4)), _number(0x53AC, position))


def webm(frames: Sequence[bytes], width: int, height: int) -> bytes:
    """One frame a second."""
    begin = _element(
        0x1A45DFA3, _number(0x4286, 1), _number(0x42F7, 1), _number(0x42F2, 4), _number(0x42F3, 8),
        _element(0x4282, b"webm"), _number(0x4287, 4), _number(0x4285, 2),
    )  # fmt: skip
    info = _element(
        0x1549A966, _number(0x2AD7B1, 1_000_000), _element(0x4489, struct.pack(">d", len(frames) * 1000)),
        _element(0x4D80, b"test"), _element(0x5741, b"test"),
    )  # fmt: skip
    video = _element(0xE0, _number(0xB0, width), _number(0xBA, height))
    track = _element(0xAE, _number(0xD7, 1), _number(0x73C5, 1), _number(0x83, 1), _element(0x86, b"V_VP8"), video)
    tracks = _element(0x1654AE6B, track)
    clusters = [
        _element(0x1F43B675, _number(0xE7, second * 1000), _element(0xA3, b"\x81\0\0\x80", frame))
        for second, frame in enumerate(frames)
    ]
    places, at = [], len(_seek_head(0, 0, 0)) + len(info) + len(tracks)
    for cluster in clusters:
        places.append(at)
        at += len(cluster)
    head = _seek_head(len(_seek_head(0, 0, 0)), len(_seek_head(0, 0, 0)) + len(info), at)
    cues = _element(0x1C53BB6B, *(_cue(second, place) for second, place in enumerate(places)))
    return begin + _element(0x18538067, head, info, tracks, *clusters, cues)


def _seek_head(info: int, tracks: int, cues: int) -> bytes:
    return _element(0x114D9B74, _place(0x1549A966, info), _place(0x1654AE6B, tracks), _place(0x1C53BB6B, cues))


def _cue(second: int, place: int) -> bytes:
    return _element(0xBB, _number(0xB3, second * 1000), _element(0xB7, _number(0xF7, 1), _number(0xF1, place)))
