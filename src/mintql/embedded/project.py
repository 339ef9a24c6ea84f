"""The folder `.mintql`: what a run on this machine keeps, and the environment its processes get."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mintql.embedded.places import private_directory, remove_stand_in
from mintql.embedded.processes import lock_holder
from mintql.settings import SECRET_KEY_BYTES

FOLDER_NAME = ".mintql"
UP_LOCK = "up.lock"
LOCAL_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Project:
    """One `.mintql` folder. Secrets in it are readable by us alone."""

    home: Path

    @classmethod
    def here(cls) -> Project:
        """Return that of the current directory."""
        return cls(Path.cwd() / FOLDER_NAME)

    @property
    def logs(self) -> Path:
        """Where each process writes its log."""
        return self.home / "logs"

    @property
    def environment_path(self) -> Path:
        """Where `up` notes the environment of its processes, for commands that join them."""
        return self.home / "environment.json"

    def prepare(self) -> None:
        """Make the folder. Others may pass through it, since the database runs as another user for root."""
        private_directory(self.home, mode=0o711)
        private_directory(self.home / "objects")
        self.logs.mkdir(mode=0o700, exist_ok=True)

    def forget(self) -> None:
        """Remove all that runs have kept, but for the locks, which a process may be holding."""
        for path in self.home.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix != ".lock":
                path.unlink()
        remove_stand_in(self.home)

    def secret_keys(self) -> str:
        """Return this project's own wrapping keys in the form of `MINTQL_SECRET_KEYS`, made at the first call."""
        path = self.home / "secret_keys"
        if not path.exists():
            key = base64.b64encode(secrets.token_bytes(SECRET_KEY_BYTES)).decode()
            write_private(path, f"1:{key}\n")
        return path.read_text().strip()

    def note_environment(self, environment: Mapping[str, str]) -> None:
        """Leave word of how the processes of this run are set up."""
        write_private(self.environment_path, json.dumps(dict(environment), indent=1) + "\n")

    def join(self) -> bool:
        """Take over the environment of the `up` that runs here, where ours does not say otherwise.

        Returns:
            Whether one is running here.
        """
        environment = self.environment_of_up()
        for name, value in environment.items():
            os.environ.setdefault(name, value)
        return bool(environment)

    def environment_of_up(self) -> dict[str, str]:
        """Return the environment of the `up` that runs here; empty when none does."""
        if lock_holder(self.home / UP_LOCK) is None or not self.environment_path.exists():
            return {}
        environment: dict[str, str] = json.loads(self.environment_path.read_text())
        return environment


def write_private(path: Path, text: str) -> None:
    """Write a file that only we can read, all of it or nothing."""
    part = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    part.replace(path)
