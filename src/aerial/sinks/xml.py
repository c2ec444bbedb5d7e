"""Reading XML of a peer without its tricks: no DTD, no entities of its own, bounded depth."""

from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

_DEEPEST = 100


class XmlError(ValueError):
    """The text is not XML, or more than plain XML."""


def parse_xml(content: bytes) -> Element:
    """Return the root of a document; names are ``{namespace}local``.

    Raises:
        XmlError: it is not XML, declares a document type or is nested without end.
    """
    builder, depth = TreeBuilder(), 0
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True

    def name(text: str) -> str:
        return "{" + text if "}" in text else text

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise XmlError("nested too deeply")
        builder.start(name(tag), {name(key): value for key, value in attributes.items()})

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name(tag))

    def doctype(*_: object) -> None:
        # With it come entities: files of this machine, and a billion laughs.
        raise XmlError("it declares a document type")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(content, True)
        root: Element = builder.close()
    except (expat.ExpatError, AssertionError, LookupError, ValueError) as exc:
        raise XmlError(str(exc)) from exc
    return root


def local(element: Element) -> str:
    """Return an element's name without its namespace."""
    return element.tag.rpartition("}")[2]
