"""Tours and questions in the stepper: the stop that is followed, the question that is open."""

from __future__ import annotations

from dataclasses import dataclass

from tracer.errors import InputError, MissingError
from tracer.languages import Texts
from tracer.record import Trace
from tracer.stepper import Reply, Stepper, Timeline, address
from tracer.stepper.text import clean
from tracer.tours import Told, Tour, find, in_language, missing, offered, said_at, told
from tracer.views.kit.guesses import Guess, drawn
from tracer.views.kit.guesses import say as say_guess

say = Texts("tour")


@dataclass
class Lessons:
    """What is being learnt from a recording.

    Attributes:
        trace: the recording.
        stop: where the tour stands that is followed; None for none.
        open: the question that waits for an answer; None for none.
    """

    trace: Trace
    stop: Told | None = None
    open: Guess | None = None
    _tour: Tour | None = None
    _stops: tuple[Told, ...] = ()
    _at: int = 0
    _guesses: tuple[Guess, ...] = ()
    _asked: int = 0

    # --- tours ---

    def tour(self, stepper: Stepper, argument: str) -> Reply:
        """Begin a tour or take it up, go on in it, or leave it.

        Args:
            stepper: what moves.
            argument: a tour's name or file; ``on``, ``back``, ``leave``, the number of a stop;
                empty for where it was left.

        Raises:
            InputError: there is no such tour or stop.
            MissingError: no tour fits the recording.
        """
        steps = {"on": 1, "back": -1, "": 0}
        if argument == "leave":
            return self._leave(stepper)
        if argument in steps or argument.isdecimal():
            fresh = self._tour is None
            if fresh:
                self._begin(self._usual(), stepper.lang)
            at = self._at if fresh else self._at + steps.get(argument, 0)
            return self._visit(stepper, int(argument) - 1 if argument.isdecimal() else at)
        self._begin(find(argument), stepper.lang)
        return self._visit(stepper, 0)

    def _usual(self) -> Tour:
        fitting = offered(self.trace)
        if not fitting:
            raise MissingError("no tour fits this recording; tracer tour lists what there is")
        return fitting[0]

    def _begin(self, tour: Tour, lang: str) -> None:
        stops = tuple(told(tour, self.trace, lang))
        if not stops:
            why = next(iter(missing(tour, self.trace).values()))
            raise MissingError(f"no stop of {clean(tour.name, 60)!r} is in this recording: {why}")
        self._tour, self._stops, self._at = tour, stops, 0

    def _visit(self, stepper: Stepper, at: int) -> Reply:
        assert self._tour is not None
        lang, title = stepper.lang, in_language(self._tour.title, stepper.lang)
        if not 0 <= at < len(self._stops):
            if at == -1 or at == len(self._stops):
                return Reply(say("first" if at < 0 else "over", lang, title=title))
            raise InputError(f"the tour has stops 1 to {len(self._stops)}; found {at + 1}")
        self._at, self.stop = at, self._stops[at]
        stepper.goto(self.stop.tick)
        head = say(
            "at", lang, title=title, number=at + 1, all=len(self._stops), stop=self.stop.title
        )
        lacking = missing(self._tour, self.trace) if at == 0 else {}
        names = (in_language(self._tour.stops[n - 1].title, lang) for n in lacking)
        absent = (say("absent", lang, stops=", ".join(names)),) if lacking else ()
        text = "\n".join([head, *absent, *said_at(self.stop, lang), stepper.describe()])
        return Reply(text, moved=True, notes=(head, *absent))

    def _leave(self, stepper: Stepper) -> Reply:
        if self.stop is None:
            raise InputError("no tour is being followed: tour begins one")
        self.stop = None
        return Reply(say("left", stepper.lang, number=self._at + 1))

    @property
    def panel(self) -> str:
        """What the tour looks at, one of `tracer.tours.PANELS`; empty where none is followed."""
        if self.stop is None or self._tour is None:
            return ""
        return self._tour.stops[self.stop.number - 1].panel

    def paragraphs(self, lang: str) -> tuple[str, ...]:
        """Return what the tour says where it stands, its title first; empty without a tour."""
        return () if self.stop is None else (self.stop.title, *said_at(self.stop, lang))

    # --- questions ---

    def guess(self, stepper: Stepper, argument: str) -> Reply:
        """Ask the next question, judge an answer to it, or go where it can be seen.

        Raises:
            InputError: no question is open, or none of its answers is what was said.
            MissingError: nothing can be asked about the recording.
        """
        lang = stepper.lang
        if not argument:
            return Reply(self.ask(lang))
        if argument == "go":
            if not self._asked:
                raise InputError("no question was asked: guess asks one")
            stepper.goto(self._guesses[(self._asked - 1) % len(self._guesses)].tick)
            return stepper.moved()
        return Reply(self.answer(argument, stepper))

    def ask(self, lang: str) -> str:
        """Return the next question; after the last the first again."""
        self._guesses = self._guesses or drawn(self.trace)
        self.open = self._guesses[self._asked % len(self._guesses)]
        self._asked += 1
        return self.open.asked(lang)

    def answer(self, answer: str, stepper: Stepper) -> str:
        """Return what is to be said of an answer to the open question, and close it.

        Raises:
            InputError: no question is open, or none of its answers is what was said.
        """
        if self.open is None:
            raise InputError("no question is open: guess asks one")
        lang = stepper.lang
        if self.open.chosen(answer, lang) is None:
            raise InputError(say_guess("none_of_them", lang, answer=clean(answer, 60)))
        told = verdict(stepper.timeline, self.open, answer, lang)
        self.open = None
        return told


def verdict(timeline: Timeline, guess: Guess, answer: str, lang: str) -> str:
    """Return what is to be said of an answer, and where it can be seen, as lines."""
    where = say_guess(
        "see", lang, tick=guess.tick, address=address.of(timeline, timeline.at(guess.tick))
    )
    return "\n".join([*guess.verdict(answer, lang), where])
