"""What the API process and its template process say to each other.

In JSON, since the values of a chat request are JSON. Knows neither jinja2 nor what the texts mean.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Load(Struct, frozen=True, tag=True):
    """The first frame: the templates of a model by name."""

    templates: dict[str, str]


class Render(Struct, frozen=True, tag=True):
    template: str
    variables: dict[str, Any]


class Loaded(Struct, frozen=True, tag=True):
    """The variables that each template reads."""

    variables: dict[str, list[str]]


class Rendered(Struct, frozen=True, tag=True):
    text: str


class Failed(Struct, frozen=True, tag=True):
    message: str
    is_raised_by_template: bool = False  # by its own `raise_exception`: the message is for a person


Request = Load | Render
Reply = Loaded | Rendered | Failed
