"""Stands in for Microsoft Entra's token endpoint, over HTTPS: for msal as it is."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import trustme


@dataclass
class TokenEndpoint:
    """Hands out `token` to whoever gives `secret`. `asked` holds what each request for a token said."""

    token: str
    secret: str
    authority: str = ""
    asked: list[dict[str, list[str]]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    endpoint: TokenEndpoint

    def do_GET(self) -> None:
        base = f"{self.endpoint.authority}/{self.path.split('/')[1]}"
        endpoints = {f"{name}_endpoint": f"{base}/oauth2/v2.0/{name}" for name in ("authorization", "token")}
        self._answer(200, {**endpoints, "issuer": base})

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.endpoint.asked.append(form)
        if form["client_secret"] == [self.endpoint.secret]:
            return self._answer(200, {"token_type": "Bearer", "expires_in": 3600, "access_token": self.endpoint.token})
        return self._answer(
            401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}
        )

    def _answer(self, status: int, values: dict[str, object]) -> None:
        body = json.dumps(values).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: pytest shows what matters."""


@contextmanager
def running_token_endpoint(authority: trustme.CA, token: str, secret: str) -> Iterator[TokenEndpoint]:
    endpoint = TokenEndpoint(token, secret)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"endpoint": endpoint}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    endpoint.authority = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
