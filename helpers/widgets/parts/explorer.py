"""`Explorer`: a thin ipywidgets view over a plain function from a state to a `Picture`.

An explorer's module holds a pure function `NAME_picture(..., *, one keyword per control) -> Picture`, which does not depend on
ipywidgets, and a function `NAME(...)` that binds it to controls and returns an `Explorer`. Tests call the first over
`explorer.states()`.
"""

from __future__ import annotations

import html
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from helpers.plots import Picture
from helpers.widgets.parts.mime import widget_view

if TYPE_CHECKING:  # imported inside functions, so that a Python without ipywidgets shows the still pictures
    import ipywidgets

SHARPNESS = 1.0  # pixels per CSS pixel of the live view; still pictures have `Picture`'s higher default


@dataclass(frozen=True)
class Slider:
    """A number from a range; an int if both ends, step and value are ints.

    Args:
        label: Words beside the control.
        low: Lower end.
        high: Upper end.
        step: Distance between neighbouring values.
        value: Value at the start.

    Raises:
        ValueError: If `step` is not positive, or `value` is not between the ends.
    """

    label: str
    low: float
    high: float
    step: float
    value: float

    def __post_init__(self) -> None:
        if not (self.step > 0 and self.low <= self.value <= self.high):
            raise ValueError(
                f"The slider {self.label!r} goes from {self.low} to {self.high} in steps of {self.step} and starts at "
                f"{self.value}; expected a positive step, and a start between the ends."
            )

    def grid(self) -> list[float]:
        """The values that tests try: both ends, the start, and those at a quarter, half and three quarters."""
        steps = math.floor((self.high - self.low) / self.step + 1e-9)  # an end between two steps is not reached
        inner = [self.low + self.step * round(steps * part / 4) for part in range(5)]
        return sorted({*inner, self.value})

    def widget(self) -> ipywidgets.Widget:
        """A slider, made afresh."""
        import ipywidgets

        whole = all(isinstance(n, int) for n in (self.low, self.high, self.step, self.value))
        kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
        # As many decimals as the step has: the default readout always shows two.
        decimals = max(0, -int(Decimal(str(self.step)).normalize().as_tuple().exponent))
        return kind(value=self.value, min=self.low, max=self.high, step=self.step, description=self.label,
                    readout_format="d" if whole else f".{decimals}f")  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """One of several options, shown in a menu as `str` writes them.

    Args:
        label: Words beside the control.
        options: Values to choose from.
        value: Option at the start.

    Raises:
        ValueError: If `value` is not among the options.
    """

    label: str
    options: Sequence[Any]
    value: Any

    def __post_init__(self) -> None:
        if self.value not in self.options:
            raise ValueError(
                f"The choice {self.label!r} starts at {self.value!r}, which is not in {list(self.options)}."
            )

    def grid(self) -> list[Any]:
        """All options."""
        return list(self.options)

    def widget(self) -> ipywidgets.Widget:
        """A drop-down menu, made afresh."""
        import ipywidgets

        # Explicit labels, because ipywidgets reads an option that is a pair as (label, value).
        options = [(str(option), option) for option in self.options]
        return ipywidgets.Dropdown(options=options, value=self.value, description=self.label)


@dataclass(frozen=True)
class Toggle:
    """On or off.

    Args:
        label: Words beside the control.
        value: Whether it is on at the start.
    """

    label: str
    value: bool = False

    def grid(self) -> list[bool]:
        """Off and on."""
        return [False, True]

    def widget(self) -> ipywidgets.Widget:
        """A checkbox, made afresh."""
        import ipywidgets

        return ipywidgets.Checkbox(value=self.value, description=self.label, indent=False)


Control = Slider | Choice | Toggle


class Explorer:
    """Controls above a picture that follows them.

    As the last line of a cell it shows itself, in several forms: the live view, and the still pictures as `text/html`, which
    pages without a kernel (a deck, a handout) show instead; the first of them as `image/png` too, for formats without HTML.
    Without ipywidgets, the live view is left out.

    Args:
        name: Name of the explorer's module; the view has the classes `explorer` and `explorer-NAME`, each control
            `control-KEY`.
        picture: Function from a state to a `Picture`, called with one keyword per control.
        controls: The controls by keyword, in the order shown.
        stills: States of the still pictures, one to three, each as changes to the starting state.

    Raises:
        ValueError: If there is no still, or if one names a control that does not exist.
    """

    def __init__(
        self,
        name: str,
        picture: Callable[..., Picture],
        controls: Mapping[str, Control],
        stills: Sequence[Mapping[str, Any]] = ({},),
    ):
        self.name, self.picture, self.controls = name, picture, dict(controls)
        self.start = {key: control.value for key, control in self.controls.items()}
        self.stills = [{**self.start, **changes} for changes in stills]
        if not self.stills:
            raise ValueError(f"explorer {name}: expected at least one still, for pages without a kernel; got none.")
        unknown = {key for still in self.stills for key in still} - set(self.controls)
        if unknown:
            raise ValueError(
                f"explorer {name}: stills name {sorted(unknown)}, but the controls are {sorted(self.controls)}."
            )
        self._view: ipywidgets.Widget | None = None

    def states(self) -> Iterator[dict[str, Any]]:
        """Every combination of the values on the controls' grids."""
        for values in itertools.product(*(control.grid() for control in self.controls.values())):
            yield dict(zip(self.controls, values, strict=True))

    def still_html(self) -> str:
        """The still pictures side by side, as HTML."""
        return self._side_by_side(self.picture(**state).to_html() for state in self.stills)

    def _side_by_side(self, pictures: Iterable[str]) -> str:
        return (
            f'<div class="workbook-explorer" data-explorer="{html.escape(self.name)}" '
            f'style="display:flex;flex-wrap:wrap;gap:1em;align-items:flex-start">{"".join(pictures)}</div>'
        )

    @property
    def view(self) -> ipywidgets.Widget:
        """The live view, made once.

        Raises:
            ImportError: If ipywidgets is not installed.
        """
        if self._view is None:
            import ipywidgets

            widgets = {key: control.widget() for key, control in self.controls.items()}
            # HTML with an <img>, because ipywidgets.Image has no alt text and stretches in a box.
            image = ipywidgets.HTML()
            image.add_class("explorer-picture")

            # No queue is needed: while one change is drawn, ipywidgets keeps only the newest of those that follow.
            def redraw(_: Any = None) -> None:
                image.value = self._live_html({key: widget.value for key, widget in widgets.items()})

            longest = max((len(control.label) for control in self.controls.values()), default=0)
            for key, widget in widgets.items():
                if isinstance(self.controls[key], Toggle):
                    widget.layout = ipywidgets.Layout(width="auto", margin="2px 2px 2px 1em")
                else:  # labels in full, and one width for all controls
                    widget.style.description_width = f"{0.55 * longest + 1:.1f}em"
                    widget.layout = ipywidgets.Layout(width=f"{0.55 * longest + 17:.1f}em")
                widget.add_class(f"control-{key}")
                widget.observe(redraw, names="value")
            redraw()
            controls = ipywidgets.Box(list(widgets.values()), layout=ipywidgets.Layout(flex_flow="row wrap"))
            self._view = ipywidgets.VBox([controls, image])
            self._view.add_class("explorer")
            self._view.add_class(f"explorer-{self.name}")
        return self._view

    def _live_html(self, state: Mapping[str, Any]) -> str:
        """The picture of a state, or the error that prevents it, which ipywidgets does not show if an observer raises it."""
        try:
            picture = self.picture(**state).to_html(SHARPNESS)
        except Exception as problem:
            values = ", ".join(f"{key} = {value!r}" for key, value in state.items())
            reason = html.escape(f"{type(problem).__name__}: {problem}")
            return f'<div role="alert"><b>No picture for {html.escape(values)}.</b><pre>{reason}</pre></div>'
        # Decoded before the page is painted again, so that no blank appears between one picture and the next.
        return picture.replace("<img ", '<img decoding="sync" ', 1)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        stills = [self.picture(**state) for state in self.stills]
        data, metadata = stills[0]._repr_mimebundle_()
        pages = [data["text/html"], *(still.to_html() for still in stills[1:])]
        return {**data, **self._live(), "text/html": self._side_by_side(pages), "text/plain": repr(self)}, metadata

    def _live(self) -> dict[str, Any]:
        """The live view as a MIME bundle; an empty one without ipywidgets, which lesson 00 and the first cells report."""
        try:
            return widget_view(self.view)
        except ImportError:
            return {}

    def __repr__(self) -> str:
        return f"Explorer {self.name}: {', '.join(control.label for control in self.controls.values())}"
