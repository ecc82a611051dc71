"""An explorer in a page: its controls are moved as a reader moves them, and every move is timed."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field

from playwright.sync_api import Locator, Page

from tests.browser.jupyterlab import READY

WAIT_SECONDS, IDLE_SECONDS = 10, 3
WARM_UP, MOVES = 3, 16

# From the key's time stamp to the load event of the image that replaces the old one, on the page's own clock. A player that comes, goes
# or plays something else is news too.
WATCH = """picture => {
  const shown = () => ["img", "audio"].map(kind => picture.querySelector(kind)?.src).join(" ");
  const before = shown();
  window.moved = new Promise(resolve => {
    let start = null;
    const begin = event => { start ??= event.timeStamp; };
    for (const kind of ["keydown", "change", "click"]) document.addEventListener(kind, begin, {capture: true, once: true});
    new MutationObserver((_, observer) => {
      const image = picture.querySelector("img");
      if (image && shown() === before) return;
      observer.disconnect();
      const done = () => resolve({milliseconds: performance.now() - start, alt: image?.alt, words: picture.innerText});
      if (!image || image.complete) done(); else image.addEventListener("load", done, {once: true});
    }).observe(picture, {childList: true, subtree: true, attributes: true});
  });
}"""


@dataclass
class Latency:
    """From move to picture, in milliseconds, by round."""

    name: str
    rounds: list[list[float]] = field(default_factory=list)
    quiet: bool = False  # whether the machine was ours in at least one round

    def add(self, milliseconds: list[float]) -> None:
        """One more round, which has just ended."""
        self.rounds.append(milliseconds)
        self.quiet = self.quiet or not crowded()

    @property
    def best(self) -> list[float]:
        return min(self.rounds, key=statistics.median)

    @property
    def median(self) -> float:
        return statistics.median(self.best)

    def row(self) -> str:
        """For the table at the end."""
        slow = statistics.quantiles(self.best, n=10)[-1]
        return f"{self.name:40} {self.median:8.0f} {slow:8.0f} {len(self.best):8d} {len(self.rounds):8d}" + (
            "" if self.quiet else "   others hold the processor"
        )


def crowded() -> bool:
    """Whether other processes hold the cores: a loop takes half as long again by the clock as in processor time, or longer."""
    clock, processor = time.perf_counter(), time.process_time()
    while time.process_time() - processor < 0.2:
        sum(range(1000))
    return time.perf_counter() - clock > 1.5 * 0.2


class ExplorerInPage:
    """`element` has the class `explorer`; each of its controls the class `control-KEY`."""

    def __init__(self, page: Page, element: Locator):
        self.page, self.element = page, element
        element.scroll_into_view_if_needed()
        self.picture = element.locator(".explorer-picture")
        self.name = self._marked(element, "explorer-")
        self.keys = [self._marked(control, "control-") for control in element.locator("[class*='control-']").all()]
        self.start = {key: self.place(key) for key in self.keys}

    def _marked(self, element: Locator, prefix: str) -> str:
        classes = (element.get_attribute("class") or "").split()
        return next(name.removeprefix(prefix) for name in classes if name.startswith(prefix))

    def control(self, key: str) -> Locator:
        return self.element.locator(f".control-{key}")

    def move(self, key: str, wait: float = WAIT_SECONDS) -> dict | None:
        """Move a control by one step, back where it is at its end; returns milliseconds, alt and text of the new picture.

        None where none has come after `wait` seconds.
        """
        self.picture.evaluate(WATCH)
        self.step(key)
        late = f"new Promise(resolve => setTimeout(() => resolve(null), {1000 * wait}))"
        return self.page.evaluate(f"() => Promise.race([window.moved, {late}])")

    def step(self, key: str, goal: float = float("inf")) -> None:
        """One step of a control, by keyboard or as a menu or a box is used. A slider goes towards `goal`, and back from its end."""
        control = self.control(key)
        handle, menu = control.locator(".noUi-handle"), control.locator("select")
        if handle.count():
            handle.focus()
            most = float(handle.get_attribute("aria-valuemax"))
            self.page.keyboard.press("ArrowRight" if self.place(key) < min(goal, most) else "ArrowLeft")
        elif menu.count():
            menu.select_option(index=(self.place(key) + 1) % menu.locator("option").count())
        else:
            control.locator("input[type=checkbox]").click()

    def place(self, key: str) -> float:
        """Where a control stands: a slider's value, a menu's option, a box's tick."""
        control = self.control(key)
        handle, menu = control.locator(".noUi-handle"), control.locator("select")
        if handle.count():
            return float(handle.get_attribute("aria-valuenow"))
        return menu.evaluate("menu => menu.selectedIndex") if menu.count() else control.locator("input").is_checked()

    def menus(self) -> list[str]:
        """The keys of the controls that are menus."""
        return [key for key in self.keys if self.control(key).locator("select").count()]

    def follow(self, key: str) -> dict:
        """Move a control until a new picture comes: at once, or, for one that matters only beside some options, beside one of those."""
        shown = self.move(key)
        for menu in self.menus():
            for _ in range(self.control(menu).locator("option").count()):
                if shown is None and menu != key:
                    self.move(menu, IDLE_SECONDS)
                    shown = self.move(key, IDLE_SECONDS)
        assert shown is not None, (
            f"{self.name}: {key} moves, and no picture follows. It shows: {self.picture.inner_text()!r}"
        )
        return shown

    def put_back(self) -> None:
        """All controls where they stood at first."""
        for key, place in self.start.items():
            while self.place(key) != place:
                self.step(key, goal=place)
        self.page.wait_for_timeout(300)
        self.page.wait_for_function(READY)  # the pictures of these moves are nobody's: let them pass

    def timed_round(self) -> list[float]:
        """The milliseconds of MOVES moves of the sliders in turn (of all controls, where there is no slider), after a warm-up."""
        sliders = [key for key in self.keys if self.control(key).locator(".noUi-handle").count()] or self.keys
        shown = [self.move(sliders[i % len(sliders)]) for i in range(WARM_UP + MOVES)][WARM_UP:]
        assert all(shown), f"{self.name}: one of {sliders} moves, and no picture follows"
        return [moved["milliseconds"] for moved in shown]
