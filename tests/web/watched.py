"""A page of the browser that is watched while a test uses it."""

from playwright.sync_api import BrowserContext, Page


class Watched:
    """A page whose foreign requests and errors are collected."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.page: Page = context.new_page()
        self.foreign: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self._request(request.url, base))
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _request(self, url: str, base: str) -> None:
        if not url.startswith((base + "/", "data:")):
            self.foreign.append(url)
