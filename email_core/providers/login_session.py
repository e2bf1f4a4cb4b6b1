"""How msal reaches the token endpoint. Imported only when it is used: requests takes a while."""

from typing import Any

import requests


class Redirected(Exception):
    """The endpoint named another address. What it was sent is a secret: nobody else gets it."""


class LoginSession(requests.Session):
    """`seconds` that the server has for each piece of its answer."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        adapter = requests.adapters.HTTPAdapter(max_retries=1)  # as msal's own
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        """Raises Redirected."""
        options = {"timeout": self._seconds, **options, "allow_redirects": False}
        response = super().request(*arguments, **options)
        if 300 <= response.status_code < 400:
            raise Redirected("it names another address, to which nothing was sent")
        return response
