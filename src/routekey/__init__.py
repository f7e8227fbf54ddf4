"""routekey: the open gateway for API Gateway WebSocket APIs."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["TemplateError", "__version__", "render_template"]

if TYPE_CHECKING:
    from routekey.expressions.vtl.errors import TemplateError
    from routekey.expressions.vtl.render_template import render_template


def __getattr__(name: str) -> object:
    # The template engine is loaded when it is asked for: `import routekey` stays light.
    if name == "render_template":
        from routekey.expressions.vtl.render_template import render_template

        return render_template
    if name == "TemplateError":
        from routekey.expressions.vtl.errors import TemplateError

        return TemplateError
    raise AttributeError(f"module 'routekey' has no attribute {name!r}")
