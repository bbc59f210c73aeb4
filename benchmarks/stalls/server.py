"""The real server with one worker, from this checkout or from another one's sources."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from .datafiles import DATAFILES, REVISIONS, revision
from .hostile import Hostile


class Folder:
    """What all servers read: the datafiles, and an archive of revisions; made once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        for name, make in DATAFILES.items():
            self.datafile(name).write_text(json.dumps(make()), encoding="utf-8")
        self.revisions = root / "revisions"
        self.revisions.mkdir()
        for number in range(1, REVISIONS + 1):
            path = self.revisions / f"{number}.json"
            path.write_text(json.dumps(revision(number)), encoding="utf-8")

    def datafile(self, name: str) -> Path:
        return self._root / f"{name.replace(' ', '-')}.json"

    def fresh(self) -> Path:
        """Return an empty directory for a server's state."""
        return Path(tempfile.mkdtemp(dir=self._root))


class Server:
    """One server, on the first core, for one hostile input."""

    def __init__(self, sources: Path, python: str, folder: Folder, hostile: Hostile) -> None:
        self._folder = folder
        self._datafile = folder.fresh() / "datafile.json"
        shutil.copy(folder.datafile(hostile.datafile), self._datafile)
        self._errors = folder.fresh() / "stderr"
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("BUCKETER_", "DATAFILE_"))
        }
        environ = kept | {
            "PYTHONPATH": str(sources),
            "PYTHONUNBUFFERED": "1",
            "BUCKETER_EVENTS_ENDPOINT": "http://127.0.0.1:1/",
            "BUCKETER_STATE_DIR": str(folder.fresh()),
            "BUCKETER_REVISIONS": str(folder.revisions),
        }
        command = [python, "-m", "bucketer", "serve", "--port", "0"]
        command += ["--datafile", str(self._datafile)]
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                command, env=environ | hostile.environ, stdout=subprocess.PIPE, stderr=errors
            )
        assert self._process.stdout is not None
        said = self._process.stdout.readline().decode()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", said)
        if found is None:
            raise RuntimeError(f"the server didn't start: {said}{self._errors.read_text()}")
        self.port = int(found[1])
        if len(os.sched_getaffinity(0)) > 1 or (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(self._process.pid, {0})

    def take(self, name: str) -> None:
        """Put another datafile in the place of the one that it serves."""
        beside = self._datafile.with_suffix(".new")
        shutil.copy(self._folder.datafile(name), beside)
        beside.replace(self._datafile)

    def peak_mb(self) -> float:
        """Return the most memory that it has had, in MB; 0 when it is gone."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        except OSError:
            return 0.0
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0.0

    def stop(self) -> None:
        """End it; one that is stopped by an input wouldn't hear a polite word."""
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()
