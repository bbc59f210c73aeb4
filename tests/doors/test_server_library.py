"""What we rely on of uvicorn and httptools beyond their documentation: if it moves, this says where.

docs/decisions/0030 and 0031 tell why; pyproject.toml holds the range that was tried.
"""

from __future__ import annotations

import inspect

import httptools
import pytest
import uvicorn
from uvicorn.lifespan import on as lifespan_on
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState
from uvicorn.supervisors import Multiprocess

from bucketer.doors.server.connection import Connection


def test_uvicorn_makes_our_protocol_as_it_makes_its_own():
    ours = list(inspect.signature(Connection.__init__).parameters)
    theirs = list(inspect.signature(HttpToolsProtocol.__init__).parameters)

    assert ours == theirs == ["self", "config", "server_state", "app_state", "_loop"]


def test_uvicorn_asks_connections_to_leave_by_shutdown():
    source = inspect.getsource(uvicorn.Server.shutdown)

    assert "connection.shutdown()" in source
    assert callable(Connection.shutdown)


def test_uvicorn_keeps_the_connections_and_the_date_in_its_state():
    state = ServerState()

    assert state.connections == set()
    assert state.default_headers == []


def test_uvicorn_makes_a_new_list_of_default_headers_when_the_date_changes():
    """`Heads` recognises a new second by the list being another object."""
    assert "self.server_state.default_headers = " in inspect.getsource(uvicorn.Server.on_tick)


def test_uvicorns_supervisor_takes_a_listening_socket():
    assert list(inspect.signature(Multiprocess.__init__).parameters)[1:] == ["config", "sockets"]


def test_uvicorns_supervisor_looks_after_workers_in_a_way_that_ours_can_watch():
    source = inspect.getsource(Multiprocess)

    assert "self.keep_subprocess_alive()" in inspect.getsource(Multiprocess.run)
    assert "self.processes[idx] = process" in source


def test_what_uvicorn_says_that_we_say_already_still_begins_so():
    assert 'logger.error(f"Child process [' in inspect.getsource(Multiprocess)
    assert "Application startup failed. Exiting." in inspect.getsource(lifespan_on)


def test_the_parser_says_where_an_upgrade_cut_the_data():
    class Nothing:
        pass

    parser = httptools.HttpRequestParser(Nothing())
    head = b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    with pytest.raises(httptools.HttpParserUpgrade) as upgrade:
        parser.feed_data(head + b"rest")

    assert upgrade.value.args == (len(head),)


def test_the_parser_reports_trailers_before_the_message_is_complete():
    """They are ignored then; had they come later, they would be headers of the next request."""
    seen = []

    class Protocol:
        def on_header(self, name, value):
            seen.append((name, value))

        def on_message_complete(self):
            seen.append("complete")

    parser = httptools.HttpRequestParser(Protocol())
    parser.feed_data(
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n"
    )

    assert seen == [(b"Transfer-Encoding", b"chunked"), (b"Trailer", b"x"), "complete"]
