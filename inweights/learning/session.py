"""Questions answered by a learned context, with the passages of its sources that an answer can be checked on."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from inweights.context.chunks import Chunk, chunks_of
from inweights.context.qa_tokens import AT_ONCE, Question, text_of
from inweights.context.systems import learned_system
from inweights.exports.load_context import LoadedContext, load
from inweights.models.decoding import continued, end_ids
from inweights.scoring.bm25 import BM25Index
from inweights.sources import read_sources
from inweights.types import UserError


class Session:
    """Raises UserError where the folder cannot be loaded. Sources that are gone or changed are a note."""

    def __init__(
        self,
        folder: Path,
        model: str | None = None,
        form: str | None = None,
        device: str | None = None,
        sources: Sequence[str] = (),
    ) -> None:
        self.context: LoadedContext = load(folder, model, form, device)
        slow = self.context.learned.model.card.slow_path
        self.notes: list[str] = [slow] if slow else []
        self.chunks = self._read(sources or self.context.card.paths)
        self._index = BM25Index([chunk.text for chunk in self.chunks]) if self.chunks else None

    def passages(self, question: str, count: int) -> list[Chunk]:
        """Pieces of the sources that share most words with the question, the best first."""
        found = self._index.best(question, count) if self._index else []
        return [self.chunks[number] for number, _ in found]

    def each(self, questions: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Questions with their answers, batch after batch."""
        system = learned_system("", self.context.learned)
        for start in range(0, len(questions), AT_ONCE):
            part = questions[start : start + AT_ONCE]
            yield from zip(part, system.answers(self.context.template, list(map(Question, part))), strict=True)

    def streamed(self, question: str) -> Iterator[str]:
        """One answer as it comes."""
        model, template = self.context.learned.model, self.context.template
        stems = model.encode([template.bare(question)])
        arrived: SimpleQueue[int | BaseException | None] = SimpleQueue()

        def work() -> None:
            try:
                continued(
                    model,
                    stems,
                    None,
                    template.answer_tokens,
                    end_ids(model, template.end),
                    seen=lambda _, token: arrived.put(token),
                )
                arrived.put(None)
            except BaseException as error:
                arrived.put(error)

        Thread(target=work, daemon=True).start()
        tokens: list[int] = []
        shown = ""
        while (token := arrived.get()) is not None:
            if isinstance(token, BaseException):
                raise token
            tokens.append(token)
            text = text_of(model, template, tokens)
            # A character of several tokens is shown when it is whole.
            if text.startswith(shown) and not text.endswith("\ufffd"):
                yield text[len(shown) :]
                shown = text

    def _read(self, paths: Sequence[str]) -> list[Chunk]:
        card = self.context.card
        try:
            found = read_sources(list(paths), card.kind)  # type: ignore[arg-type]
        except UserError as error:
            self.notes.append(f"no passages are shown, since the sources cannot be read ({error}); give --sources")
            return []
        if sorted(found.sources.values()) != sorted(card.sources.values()):
            self.notes.append("the sources have changed since they were learned: `inweights update` learns what is new")
        chunks = chunks_of(self.context.base, found, card.chunk_tokens)
        return [replace(chunk, source=_from_here(chunk.source)) for chunk in chunks]


def _from_here(source: str) -> str:
    """A path below the folder one is in, as one would write it; any other as it is."""
    here = Path.cwd()
    return str(Path(source).relative_to(here)) if Path(source).is_relative_to(here) else source
