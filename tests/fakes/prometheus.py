"""A real Prometheus, from Debian's package, on loopback."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from .ports import held_port
from .waiting import wait_until

_CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: bucketer
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def where():
    """The program, or None."""
    return shutil.which("prometheus")


@contextlib.contextmanager
def prometheus(directory, port, rules):
    """Scrape *port* every second, with the rules of a file; gives what answers queries."""
    config = directory / "prometheus.yml"
    config.write_text(_CONFIG.format(port=port, rules=json.dumps(str(rules))))
    with held_port() as own_port:
        process = subprocess.Popen(
            [
                where(),
                f"--config.file={config}",
                f"--storage.tsdb.path={directory}/data",
                f"--web.listen-address=127.0.0.1:{own_port}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            told = Prometheus(own_port)
            wait_until(told.is_ready, 60)
            yield told
        finally:
            process.terminate()
            process.communicate(timeout=20)


class Prometheus:
    """Asks it."""

    def __init__(self, port):
        self._url = f"http://127.0.0.1:{port}"

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=5) as answer:
                return answer.status == 200
        except (OSError, urllib.error.HTTPError):
            return False

    def get(self, path, **query):
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def value(self, expression):
        """The value of what gives one series; None for none."""
        result = self.get("query", query=expression)["data"]["result"]
        return float(result[0]["value"][1]) if result else None
