"""What clients that mean harm send, to whatever serves HTTP here, and what they are told."""

import contextlib
import socket

LENGTHS = (  # of a body: two, or a doubtful one
    b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    b"Content-Length: 4\r\nContent-Length: 60\r\n",
    b"Content-Length: 4, 60\r\n",
    b"Content-Length: +4\r\n",
    b"Content-Length: 4\r\nTransfer-Encoding: xchunked\r\n",
    b"Content-Length: 4\r\nTransfer-Encoding : chunked\r\n",
    b"Transfer-Encoding: chunked, identity\r\n",
    b"Content-Length : 4\r\n",
    b"Content-Length: 4\r\n Content-Length: 60\r\n",
)  # fmt: skip


def said_to(port, data):
    """All that is answered to these bytes until the connection ends; a reset is no answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        answer = b""
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
            while piece := connection.recv(2**16):
                answer += piece
        return answer
