"""Records of html pages and XML articles: a file is one record, `text` of the source has no say."""

from collections.abc import Iterator
from html import unescape
from io import BufferedReader
from typing import Any, NamedTuple

import polars as pl

from carebot_assets.corpus import encodings
from carebot_assets.corpus.recipes import Recipe, batch, failed

_BREAK = "\x1e"


class Vocabulary(NamedTuple):
    """Which parts of a document hold its text, what begins a paragraph, what is left out."""

    parts: tuple[str, ...]
    blocks: frozenset[str]
    skipped: frozenset[str]
    ids: str  # the attribute that names the kind of an identifier, or "" where there is none


VOCABULARIES = {
    # JATS, the articles of PubMed Central and PLOS
    "article": Vocabulary(
        ("front/article-meta/title-group/article-title", "front/article-meta/abstract", "body"),
        frozenset({"p", "title", "article-title", "list-item", "disp-quote", "def", "term", "sec"}),
        frozenset({"table", "tex-math", "math", "object-id", "ref-list", "label", "graphic"}),
    ids="article-id"),
    # CNXML, the modules of OpenStax
    "document": Vocabulary(
        ("title", "content"),
        frozenset({"para", "title", "item", "note", "caption", "problem", "solution", "meaning"}),
        frozenset({"math", "metadata", "label"}),
    ids="content-id"),
}  # fmt: skip


def page_text(page: str) -> str:
    """The main text of a web page, without navigation, comments and adverts; may be empty."""
    import trafilatura

    try:
        return trafilatura.extract(page, fast=True, include_comments=False) or ""
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError, IndexError) as error:
        raise ValueError(f"html without text: {type(error).__name__}") from None


def page_batch(page: bytes, recipe: Recipe, encoding: str, **columns: str | None) -> pl.DataFrame:
    """A batch of the one record that a page is; `columns` are added.

    Bytes that cannot be decoded become U+FFFD, as in a browser: a page is not lost for one of them.
    """
    html = page.decode(encoding, "replace")
    row = {"position": "0", "sample": html[:300], **columns}
    try:
        return batch(pl.DataFrame([{**row, "text": page_text(html)}]))
    except ValueError as error:
        return batch(pl.DataFrame([{**row, "error": str(error)}]))


def read_page(raw: BufferedReader, recipe: Recipe) -> Iterator[pl.DataFrame]:
    """The main text of an html file, as one record."""
    page = raw.read(recipe.max_page_bytes + 1)
    if len(page) > recipe.max_page_bytes:
        yield failed(recipe, recipe.page_too_long, page)
    elif page:
        yield page_batch(page, recipe, recipe.encoding)


def read_article(raw: BufferedReader, recipe: Recipe) -> Iterator[pl.DataFrame]:
    """Title, abstract and body of a JATS article, or a CNXML module, as one record.

    Entities are not resolved (names of HTML are read as their characters), no DTD is loaded and
    nesting is bounded, so that a small file cannot grow. `id` names a kind of identifier (`doi`).
    """
    from lxml import etree

    content = raw.read(recipe.max_page_bytes + 1)
    if len(content) > recipe.max_page_bytes:
        yield failed(recipe, recipe.page_too_long, content)
        return
    if not content.strip():
        return
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False,
        remove_comments=True, remove_pis=True,
        encoding=None if recipe.encoding == encodings.BINARY else recipe.encoding,
    )  # fmt: skip
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        last = error.error_log.last_error  # not the error's message, which quotes the file
        what = f"{last.type_name} in line {last.line}" if last else type(error).__name__
        yield failed(recipe, f"malformed XML: {what}", content)
        return
    except LookupError as error:
        yield failed(recipe, f"malformed XML: {error}", content)
        return
    vocabulary = VOCABULARIES.get(_name(root))
    if vocabulary is None:
        known = ", ".join(VOCABULARIES)
        yield failed(recipe, f"root element <{_name(root)}> is none of {known}", content)
        return
    row = {
        "position": "0",
        "text": _article_text(root, vocabulary),
        "sample": content[:300].decode("utf-8", "replace"),
    }
    yield batch(pl.DataFrame([{**row, "source_id": _identifier(root, vocabulary, recipe.id)}]))


def _name(element: Any) -> str:
    """Name of an element without its namespace; empty for an entity."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _article_text(root: Any, vocabulary: Vocabulary) -> str:
    pieces: list[str] = []
    for part in vocabulary.parts:
        steps = "/".join(f"*[local-name()='{step}']" for step in part.split("/"))
        for element in root.xpath(steps):
            pieces.append(_BREAK)
            pieces.extend(_pieces(element, vocabulary))
    blocks = (" ".join(block.split()) for block in "".join(pieces).split(_BREAK))
    return "\n\n".join(filter(None, blocks))


def _pieces(element: Any, vocabulary: Vocabulary) -> Iterator[str]:
    """Text of an element in order, paragraphs between breaks. The parser bounds the depth."""
    yield element.text or ""
    for child in element:
        name = _name(child)
        edge = _BREAK if name in vocabulary.blocks else ""
        if not name:
            yield unescape(child.text or "")
        elif name not in vocabulary.skipped:
            yield edge
            yield from _pieces(child, vocabulary)
            yield edge
        yield child.tail or ""


def _identifier(root: Any, vocabulary: Vocabulary, kind: str | None) -> str | None:
    if kind is None:
        return None
    path = f".//*[local-name()='{vocabulary.ids}'][not(@pub-id-type) or @pub-id-type=$kind]"
    found = root.xpath(path, kind=kind)
    return found[0].text if found else None
