"""What all pages share: the models, the renderer's turns, and the films that are being made."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from graf_cli.errors import GrafError, UsageError
from graf_cli.model.spec import features_of
from graf_cli.output.cameras import camera_path
from graf_cli.recipe import Recipe
from graf_cli.shots import Shots
from graf_cli.viewer import pictures
from graf_cli.viewer.brought import Brought, from_arrays, from_recipe, recipe_in
from graf_cli.viewer.films import Shooting, StoppedError, checked_name
from graf_cli.viewer.line import line_of
from graf_cli.viewer.models import YOURS, Choice, Held, Models, Progress, facts
from graf_cli.viewer.pictures import Picture
from graf_cli.viewer.recipes import film_asked, film_recipe, state_at
from graf_cli.viewer.state import Film, ViewState
from graf_cli.viewer.turns import Turns
from graf_cli.weights import download

FIRST = (800, 600)  # a window as many are
FILMS = 2  # rendered at once by all pages together
Size = tuple[int, int]


@dataclass(frozen=True)
class Begun:
    """What a page opens with.

    Attributes
    ----------
    model : str
    state : ViewState or None
    film : Film or None
    """

    model: str
    state: ViewState | None = None
    film: Film | None = None


class Desk:
    """What all pages share.

    Parameters
    ----------
    choice : Choice
        The model to begin with, and how others are loaded.
    picture : Path, optional
        A file of graf's, at whose view pages open.

    Attributes
    ----------
    turns : Turns
    models : Models
        Used on the renderer's thread alone, as is all that renders.
    files : set of str
        Names of the files that pages had made, which they may open.
    """

    def __init__(self, choice: Choice, picture: Path | None = None) -> None:
        self.choice, self.picture = choice, picture
        self.turns = Turns()
        self.models = Models(choice)
        self.files: set[str] = set()
        self._begun: Begun | None = None
        self._films: dict[str, Shooting] = {}  # by page
        self._last_film: tuple[object, Recipe] | None = None
        self._lock = threading.Lock()

    # models

    def begin(self) -> Begun:
        """The model, and the view, that the command line names.

        Raises
        ------
        GrafError
            When they cannot be had.
        """
        if self._begun is None:
            if self.picture is None:
                self._begun = Begun(self.models.open(self.choice.first).name)
            else:
                held, brought = self._of_file(self.picture, self.choice.first)
                self._begun = Begun(held.name, brought.state, brought.film)
        return self._begun

    def fetch(self, name: str, progress: Progress) -> None:
        """Have a model's file on this machine; away from the renderer, which others need.

        Raises
        ------
        GrafError
        """
        if name == YOURS:
            return
        spec = self.models.manifest.resolve(name)
        assert spec.weights is not None
        download.fetch(spec.weights, offline=self.choice.offline, progress=progress)

    def facts(self, held: Held) -> dict[str, Any]:
        """What pages have to know of a model."""
        return facts(held)

    # pictures

    def preview(
        self, model: str, state: ViewState, window: Size, most: int | None = None
    ) -> Picture:
        """A small picture at once."""
        return pictures.preview(self.models.open(model), state, window, most)

    def warm(self) -> None:
        """Have the first model, and what its first picture needs, before a page asks for them."""
        try:
            if self.picture is None:
                self.models.check_here(self.choice.first)
            begun = self.begin()
            self.preview(begun.model, begun.state or ViewState(), FIRST, pictures.SMALL)
        except GrafError:
            return  # the page that asks is told

    def stepwise(self, model: str, state: ViewState, window: Size) -> Iterator[Picture]:
        """Smaller pictures before the exact one."""
        return pictures.stepwise(self.models.open(model), state, window)

    def exactly(self, model: str, state: ViewState, window: Size) -> Picture:
        """The exact picture."""
        return pictures.exactly(self.models.open(model), state, window)

    def ready(self, model: str, state: ViewState, window: Size) -> None:
        """What small frames that come next would wait for."""
        try:
            pictures.ready(self.models.open(model), state, window)
        except GrafError:
            return  # the page is told by the picture that it waits for

    def is_large(self, model: str, state: ViewState, window: Size) -> bool:
        """Whether the exact picture takes so long that a finer volume comes before it."""
        return pictures.is_large(self.models.open(model), state, window)

    def volume(self, model: str, state: ViewState, resolution: int) -> pictures.Volume:
        """An object's volume."""
        return pictures.volume(self.models.open(model), state, resolution)

    def line(self, model: str, state: ViewState, window: Size, out: str) -> tuple[str, Recipe]:
        """The command line and the recipe of a view state."""
        return pictures.told(self.models.open(model), state, window, out)

    # films

    def film_line(self, model: str, film: Film, window: Size, out: str) -> tuple[str, Recipe]:
        """The command line and the recipe of a film."""
        held = self.models.open(model)
        size = pictures.film_size(held, film, window, pictures.MOST_EXACT)
        asked = film_asked(film, features_of(held.spec), size)
        recipe = self._film(held, film, size)
        return line_of(held.source, asked, recipe, out), recipe

    def film_preview(
        self, model: str, film: Film, k: int, window: Size
    ) -> tuple[Picture, ViewState]:
        """A small picture of a film's frame, and the view state at it."""
        held = self.models.open(model)
        recipe = self._film(held, film, pictures.film_size(held, film, window, pictures.SMALL))
        k = min(k, len(recipe) - 1)
        return pictures.film_preview(held, recipe, k), state_at(film, features_of(held.spec), k)

    def cameras(self, model: str, film: Film, window: Size) -> str:
        """A film's cameras as nerfstudio's viewer saves them.

        Raises
        ------
        UsageError
            When that form cannot say them.
        """
        held = self.models.open(model)
        size = pictures.film_size(held, film, window, pictures.MOST_EXACT)
        recipe = self._film(held, film, size)
        path = [shot.camera for shot in Shots(recipe, held.spec)]
        if path[0].orthographic:
            raise UsageError(f"{held.spec.name} has parallel rays, which a camera path cannot say.")
        document = msgspec.json.encode(camera_path(path, recipe.fps))
        return msgspec.json.format(document, indent=1).decode()

    def _film(self, held: Held, film: Film, size: Size) -> Recipe:
        """Its recipe; that of the last film is kept, since a timeline asks for it again."""
        key = (held.name, msgspec.json.encode(film), size)
        if self._last_film is None or self._last_film[0] != key:
            self._last_film = (key, film_recipe(held.opened, film, size))
        return self._last_film[1]

    def shoot(
        self,
        page: str,
        model: str,
        film: Film,
        window: Size,
        name: str,
        *,
        resume: bool,
        clobber: bool,
        tell: Callable[..., None],
        fail: Callable[[BaseException], None],
    ) -> None:
        """Begin to render a film into a file; a page has one at a time.

        Raises
        ------
        UsageError
            When the name is not that of a file here, or others are being made.
        """
        checked_name(name)
        held = self.models.open(model)
        size = pictures.film_size(held, film, window, pictures.MOST_EXACT)
        recipe = self._film(held, film, size)
        shooting = Shooting(
            f"{page} film", held, recipe, name, self.turns,
            lambda done, total: tell(done=done, total=total), resume=resume, clobber=clobber,
        )  # fmt: skip
        shooting.job()  # whether there is such a format
        with self._lock:
            if page in self._films or len(self._films) >= FILMS:
                raise UsageError("Another film is being rendered; wait for it, or stop it.")
            self._films[page] = shooting

        def made() -> Callable[[], None]:
            """What the page is to be told."""
            try:
                result = shooting.run()
            except StoppedError:
                return lambda: tell(stopped=True)
            except Exception as error:
                return partial(fail, error)
            self.files.add(name)
            many, difference = len(recipe), result.as_json().get("difference")
            return lambda: tell(done=many, total=many, file=name, difference=difference)

        def work() -> None:
            told = made()
            with self._lock:
                self._films.pop(page, None)  # first: who is told may ask for the next one at once
            told()

        threading.Thread(target=work, name="graf-film", daemon=True).start()

    def stop(self, page: str) -> None:
        """Stop a page's film."""
        with self._lock:
            shooting = self._films.get(page)
        if shooting is not None:
            shooting.stop()

    # files

    def bring(self, data: bytes, name: str, model: str) -> tuple[Held, Brought]:
        """What a file that was dropped onto a page holds; on the renderer's thread.

        Raises
        ------
        GrafError
            When a page cannot show it.
        """
        with tempfile.TemporaryDirectory(prefix="graf-") as folder:
            path = Path(folder) / Path(name).name
            path.write_bytes(data)
            return self._of_file(path, model)

    def _of_file(self, path: Path, model: str) -> tuple[Held, Brought]:
        recipe = recipe_in(path)
        if recipe is None:
            held = self.models.open(model)
            return held, from_arrays(path, held.spec)
        held = self.models.for_recipe(recipe)
        return held, from_recipe(recipe, held.spec)

    # pages

    def leave(self, page: str) -> None:
        """A page has gone: what it waited for is given up, and a film of its own is finished."""
        self.turns.drop(page)

    def close(self) -> None:
        """End everything."""
        with self._lock:
            films = [*self._films.values()]
        for shooting in films:
            shooting.stop()
        self.turns.close()
