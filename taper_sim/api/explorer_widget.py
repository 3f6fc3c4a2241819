"""The widget of the explorers. Imports ``anywidget``, ``api.explorer_picture``, ``data.problems``.

Only ``api.explorer`` imports this module, because ``anywidget`` is an optional dependency. The page's part is
``explorer.js`` with ``explorer.css``; it loads nothing from elsewhere.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from taper_sim.api.explorer_picture import picture_png
from taper_sim.data.problems import InputError

Answer = Callable[[Mapping[str, Any]], tuple[Mapping[str, Any], Sequence[Mapping[str, Any]], Mapping[str, Any]]]
"""Takes the values of the inputs; returns them as they were used, the form, and what is shown."""


class Explorer(anywidget.AnyWidget):
    """Inputs with a picture that follows them; see :func:`taper_sim.explorer`.

    Parameters
    ----------
    title : str
    values : mapping
        Values of the inputs at the start.
    answer : callable
        See :data:`Answer`.

    Attributes
    ----------
    controls : dict
        Values of the inputs. Setting it from Python simulates too.
    form : list of dict
        The inputs: name, label, kind, ends or options.
    shown : dict
        ``panels``, ``answer`` in words, ``basis``.
    problem : str
        Why the last values were refused; empty if they were used.
    """

    _esm = Path(__file__).with_name("explorer.js").read_text(encoding="utf-8")
    _css = Path(__file__).with_name("explorer.css").read_text(encoding="utf-8")

    title = traitlets.Unicode().tag(sync=True)
    controls = traitlets.Dict().tag(sync=True)
    form: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    shown = traitlets.Dict().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    n_answers = traitlets.Int(0).tag(sync=True)

    def __init__(self, title: str, values: Mapping[str, Any], answer: Answer):
        used, form, shown = answer(values)
        super().__init__(title=title, controls=dict(used), form=[dict(entry) for entry in form], shown=dict(shown))
        self._answer_of = answer
        self.observe(self._follow, names="controls")

    def _follow(self, change: Mapping[str, Any]) -> None:
        """Answer new values of the inputs; the page waits until ``n_answers`` changes."""
        try:
            used, form, shown = self._answer_of(change["new"])
        except InputError as error:
            self.problem = str(error)
        else:
            with self.hold_sync():
                self.problem, self.form, self.shown = "", [dict(entry) for entry in form], dict(shown)
                self.unobserve(self._follow, names="controls")  # a corrected value needs no second answer
                self.controls = dict(used)
                self.observe(self._follow, names="controls")
        self.n_answers += 1

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget; a picture and the answer in words where no page runs it."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        picture = base64.b64encode(picture_png(self.title, self.shown)).decode("ascii")
        return data | {"text/plain": self.shown["answer"], "image/png": picture}, metadata
