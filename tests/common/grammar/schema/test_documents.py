"""Places, references and bounds of documents."""

from __future__ import annotations

import pytest

from forge_common.grammar.errors import GrammarError
from forge_common.grammar.schema.documents import Document
from forge_common.grammar.schema.keywords import Draft

NESTED_RESOURCES = {
    "$id": "http://forge.test/root.json",
    "$defs": {
        "a": {"$id": "folder/a.json", "$defs": {"inner": {"$anchor": "deep"}}},
        "b": {"$anchor": "here"},
        "list": [{}],
        "not read": {"enum": [{"$anchor": "here"}, {"$id": "http://forge.test/none"}]},
    },
}


def pointer_of(document: Document, reference: str, at: str = "") -> str:
    return document.pointer(document.resolve(document.place(at), reference))


@pytest.mark.parametrize(
    ("at", "reference", "pointer"),
    [
        ("", "#", ""),
        ("", "#/$defs/b", "/$defs/b"),
        ("", "#here", "/$defs/b"),
        ("", "folder/a.json", "/$defs/a"),
        ("", "http://forge.test/folder/a.json#deep", "/$defs/a/$defs/inner"),
        ("", "folder/a.json#/$defs/inner", "/$defs/a/$defs/inner"),
        ("/$defs/a", "#/$defs/inner", "/$defs/a/$defs/inner"),
        ("/$defs/a/$defs/inner", "#", "/$defs/a"),
        ("/$defs/a", "../root.json#here", "/$defs/b"),
    ],
)
def test_references_lead_where_they_should(at: str, reference: str, pointer: str) -> None:
    assert pointer_of(Document(NESTED_RESOURCES), reference, at) == pointer


@pytest.mark.parametrize(
    "reference",
    [
        *("#deep", "#/$defs/c", "http://forge.test/none", "other.json", "#/$defs/b/0"),
        *("#/$defs/list/1", "#/$defs/list/00", "#/$defs/list/\u0660", f"#/$defs/list/{'9' * 5000}"),
        *("http://[forge", "//[x]/a#b", "http://forge\u2100.test/"),
    ],
)
def test_references_that_lead_out_or_nowhere_are_refused(reference: str) -> None:
    with pytest.raises(GrammarError):
        pointer_of(Document(NESTED_RESOURCES), reference)


@pytest.mark.parametrize("base", ["", "http://forge.test/"])
def test_an_id_that_is_no_uri_is_refused_with_its_place(base: str) -> None:
    with pytest.raises(GrammarError, match="is no URI") as caught:
        Document({"$id": base, "items": {"$id": "http://[x#y"}})
    assert (caught.value.pointer, caught.value.keyword) == ("/items", "$id")


def test_references_may_lead_to_places_that_no_keyword_holds() -> None:
    document = Document({"components": {"schemas": [{"x/y": {"type": "null"}}]}})
    assert pointer_of(document, "#/components/schemas/0/x~1y") == "/components/schemas/0/x~1y"


def test_dynamic_anchors_are_followed_where_there_is_one_of_a_name() -> None:
    one = Document({"$defs": {"a": {"$dynamicAnchor": "n"}}})
    assert one.pointer(one.resolve_dynamic(one.root, "#n")) == "/$defs/a"
    two = Document(
        {"$defs": {"a": {"$dynamicAnchor": "n"}, "b": {"$id": "b", "$dynamicAnchor": "n"}}}
    )
    with pytest.raises(GrammarError, match="several"):
        two.resolve_dynamic(two.root, "#n")


@pytest.mark.parametrize(
    ("uri", "draft"),
    [
        ("http://json-schema.org/draft-04/schema#", Draft.DRAFT_4),
        ("https://json-schema.org/draft-07/schema", Draft.DRAFT_7),
        ("https://json-schema.org/draft/2019-09/schema", Draft.DRAFT_2019),
        ("https://json-schema.org/draft/2020-12/schema", Draft.DRAFT_2020),
        ("https://forge.test/own", Draft.DRAFT_2020),
    ],
)
def test_the_draft_is_the_one_that_is_named(uri: str, draft: Draft) -> None:
    assert Document({"$schema": uri}).draft is draft


def test_parts_of_another_draft_are_refused() -> None:
    with pytest.raises(GrammarError, match="several drafts"):
        Document({"not": {"$schema": "http://json-schema.org/draft-04/schema#"}})
