"""HTTP/1.1 over a socket: small, bounded in time and size, quick to import.

address.py      a URL, read
connect.py      look-up, connection, TLS
reading.py      a request out, its answer in
exchange.py     one exchange, or a line that is kept
idle.py         lines that wait for their next question

`http.client` would cost a cold start 27 ms, most of it for the e-mail parser, and bounds no
exchange as a whole. What is spoken here is what S3, a CDN, SQS, Optimizely's collectors and the
metadata endpoints of AWS answer with: a status line, headers, and a body by length, in chunks, or
up to the end. Sources fetch with it, sinks send with it (docs/decisions/0063).

Everything has an end: looking the host up, connecting (to each of its addresses), sending and
answering share one time limit, and an answer's head and body are bounded in bytes.
"""

from .address import Address, split_url
from .exchange import ExchangeFailed, Line, exchange
from .reading import Answer

__all__ = ["Address", "Answer", "ExchangeFailed", "Line", "exchange", "split_url"]
