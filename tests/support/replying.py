"""What servers of tests answer with: a status, headers, and a body where there is to be one."""

from __future__ import annotations


class Replying:
    """What a `BaseHTTPRequestHandler` answers with; it says how long that is."""

    def reply(self, status, body, headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
