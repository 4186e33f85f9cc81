"""Reading HTML with suspicion: every tag closed, every address and every text collected."""

from __future__ import annotations

from html.parser import HTMLParser

#: Elements that have no end.
VOID = {"meta", "link", "img", "br", "hr", "input"}
#: SVG elements that may close themselves.
SHAPES = {"rect", "line", "path", "circle", "image"}


class Page(HTMLParser):
    """A page that was read; unbalanced tags are an `AssertionError`."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.texts = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self._note(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in VOID | SHAPES, f"<{tag}/> is not closed in HTML"
        self._note(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> without a begin"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data):
        if data.strip() and "style" not in self.open:
            self.texts.append(data.strip())

    def _note(self, tag, attrs):
        self.tags.append(tag)
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        self.attributes += [(tag, name, value) for name, value in attrs]

    @property
    def text(self):
        return " ".join(self.texts)

    def values(self, name):
        return [value for _, known, value in self.attributes if known == name]
