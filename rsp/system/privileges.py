"""The user and group that workers run as: from the configuration, looked up once, assumed for good."""

import grp
import os
import pwd
from typing import Final

import msgspec

from rsp.config.errors import ConfigError
from rsp.config.schema import Settings

_UNPRIVILEGED: Final = "nobody"


class Identity(msgspec.Struct, frozen=True):
    """``None``: as the master.  Otherwise the numbers, with the supplementary groups of ``name``."""

    uid: int | None
    gid: int | None
    name: str | None

    @classmethod
    def of(cls, settings: Settings) -> "Identity":
        """Workers that root starts run as `nobody`, unless the configuration says otherwise.

        Raises :class:`ConfigError` for an unknown user or group, or when only root could change.
        """
        uid = gid = None
        name = settings.user or (_UNPRIVILEGED if os.geteuid() == 0 else None)
        if name is not None:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                raise ConfigError(f'user: there is no user "{name}"') from None
            uid, gid = entry.pw_uid, entry.pw_gid
        if settings.group is not None:
            try:
                gid = grp.getgrnam(settings.group).gr_gid
            except KeyError:
                raise ConfigError(f'group: there is no group "{settings.group}"') from None
        if os.geteuid() != 0:
            if uid not in (None, os.geteuid()):
                raise ConfigError(f'user: only root can run workers as another user, "{name}"')
            if gid not in (None, os.getegid()):
                key = "group" if settings.group is not None else "user"
                raise ConfigError(f"{key}: only root can run workers in another group, {_group_name(gid)}")
        return cls(uid, gid, name)

    @property
    def changes(self) -> bool:
        """Whether rights are given up, and files that only root may read are out of reach from then on."""
        return self.uid not in (None, os.geteuid())

    def assume(self) -> None:
        """Become it.  Raises :class:`OSError`."""
        if os.geteuid() != 0:
            return
        if self.gid is not None:
            if self.name is not None:
                os.initgroups(self.name, self.gid)
            os.setgid(self.gid)
        if self.uid is not None:
            os.setuid(self.uid)


def _group_name(gid: int | None) -> str:
    try:
        return f'"{grp.getgrgid(gid or 0).gr_name}"'
    except KeyError:
        return str(gid)


def user_name() -> str:
    """The user that this process runs as, for a person."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"
