"""The end of a recording: what the tree of calls and the table of states hold becomes a Trace."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence

from tracer.capture import gradients
from tracer.capture.calls import CallTree
from tracer.capture.keep import Store
from tracer.capture.subject import Subject
from tracer.capture.summaries import Reading
from tracer.capture.tensors import TensorStates
from tracer.capture.value_trees import name_of, words_of
from tracer.record import Call, Failure, Settings
from tracer.recording import Recording


class Assembly:
    """Makes the frozen record of a subject, from what is held of its run.

    Nothing is used up: a snapshot may be made while the run goes on.
    """

    def __init__(
        self,
        subject: Subject,
        settings: Settings,
        tree: CallTree,
        states: TensorStates,
        store: Store,
        found_gradients: Mapping[str, Reading],
    ) -> None:
        self.subject = subject
        self.settings = settings
        self.tree = tree
        self.states = states
        self.store = store
        self.gradients = found_gradients

    def trace(self, seconds: float) -> Recording:
        """The recording so far; calls under way end now.

        Args:
            seconds: how long the run has taken.
        """
        self.tree.look_at_weights()
        states = self.states.frozen()
        stages, stage_of = self.subject.stages(self.tree.opens)
        return Recording(
            kind=self.subject.kind,
            subject=self._subject(),
            settings=self.settings,
            environment=self.subject.environment(),
            calls=self._calls(stage_of),
            lines=tuple(self.tree.lines),
            tensors=states,
            modules=self.subject.modules(),
            parameters=gradients.describe(
                self.subject.recorded(), self.gradients, self.settings.fingerprints
            ),
            stages=stages,
            sources=self.tree.sources.collected(),
            notes=(*self.tree.notes, *self._late_notes()),
            findings=tuple(self.tree.findings),
            error=self._failure(),
            seconds=seconds,
            classes=self.subject.classes(),
            blobs=self.store.blobs(self.states.pictures_taken()),
        )

    def _calls(self, stages: Sequence[str]) -> tuple[Call, ...]:
        tree = self.tree
        macs, uncounted = Counter(tree.own_macs), dict(tree.own_uncounted)
        for opened in reversed(tree.opens):
            macs[opened.parent] += macs[opened.id]
            if opened.id in uncounted:
                around = uncounted.get(opened.parent, set())
                uncounted[opened.parent] = around | uncounted[opened.id]
        now = tree.ticks
        calls: list[Call] = []
        for opened in reversed(tree.opens):
            end, seconds = opened.end, opened.seconds
            if end < 0:  # still under way: a snapshot
                end, seconds = now, time.perf_counter() - opened.since
                now += 1
            calls.append(
                opened.frozen(
                    end=end,
                    seconds=seconds,
                    macs=macs[opened.id],
                    uncounted=uncounted.get(opened.id, set()),
                    stage=stages[opened.id],
                )
            )
        return tuple(reversed(calls))

    def _failure(self) -> Failure | None:
        """The exception that left the block; one that was caught in it is no failure."""
        tree = self.tree
        if tree.failure is None:
            return None
        error, source = tree.failure
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        call = tree.failed.id if tree.failed is not None else None
        return Failure(name_of(type(error)), words_of(error), call, source, text)

    def _subject(self) -> str:
        """What ran, and what was changed of it on purpose: every view says that with its name."""
        changes = "; ".join(self.settings.changes)
        return f"{self.subject.name} [{changes}]" if changes else self.subject.name

    def _late_notes(self) -> list[str]:
        notes = [
            f"values of the class {name} are labels only: looking at them raises {error}"
            for name, error in self.tree.odd.items()
        ]
        for name in self.tree.sources.without_text():
            notes.append(f"the text of {name} as it ran is not at hand: its lines are empty")
        others = len(self.tree.threads) - 1
        if others > 0 and {"function", "op", "line"} & set(self.settings.grains):
            notes.append(
                f"{others} other thread(s) ran modules: there only modules were recorded, not "
                "functions, lines and ops"
            )
        if self.store.spilled:
            megabytes = self.store.spilled / 1e6
            notes.append(f"{megabytes:.0f} MB of kept data went over the memory budget to disk")
        return notes
