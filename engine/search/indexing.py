"""Making corpora: create one from a dataset or a query, and bring it up to date, embedding only what is new."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from engine import duck
from engine.access.profiles import ADMIN
from engine.errors import Conflict, Forbidden, Invalid, LakehouseError
from engine.models.embedder import Embedder
from engine.search import build, policy, source, watched
from engine.search.build import Changes, Delta, Task
from engine.search.definitions import Definition, check_name
from engine.search.generation import Generation, Manifest, Part
from engine.search.segment import Contents
from engine.session import Session
from engine.statement import Statement

if TYPE_CHECKING:
    from engine.lake import Lake

MOST_DELTAS = 16  # segments beside the base; a refresh that finds more of them writes one in their place


@dataclass(frozen=True)
class Outcome:
    """What a build did."""

    status: str  # created, refreshed, rebuilt, unchanged; of create_corpus also exists, changed
    generation: str
    documents: int
    chunks: int
    changes: Changes
    seconds: float


class Indexer:
    """Builds for one calling statement: its session reads the source, its cancellation stops the work."""

    def __init__(self, lake: "Lake", statement: Statement) -> None:
        """`statement`: the one that called create_corpus or refresh_corpus."""
        self._lake, self._statement = lake, statement
        self._session = statement.session

    def create(self, wanted: Definition) -> Outcome:
        """Make a corpus and its first generation. The same definition again only refreshes it.

        With another refresh policy it is refreshed, too, and has that one from then on. Raises Conflict when the corpus
        exists with another definition, Invalid for a column that is not there.
        """
        check_name(wanted.corpus)
        if not self._session.reach.changes_corpus(wanted.corpus):
            hint = "ask an admin for a grant on it, without filter"
            raise Forbidden(f"your profile may not make a corpus named {wanted.corpus!r}", hint)
        self._check_policy(wanted)
        corpora = self._lake.corpora
        with corpora.building(wanted.corpus):
            if corpora.exists(wanted.corpus):
                corpora.refuse_other(wanted)
                changed = corpora.definition(wanted.corpus).refresh != wanted.refresh
                outcome = self._build(wanted, corpora.base(wanted.corpus))
                if outcome.status == "unchanged":
                    corpora.change_policy(wanted.corpus, wanted.refresh)
                    outcome = replace(outcome, status="changed" if changed else "exists")
            else:
                outcome = self._build(wanted, None)
        corpora.upkeep.notice()
        return outcome

    def _check_policy(self, wanted: Definition) -> None:
        policy.check(wanted.refresh)
        if wanted.refresh == policy.ON_APPEND:
            with closing(self._lake.cursor()) as cursor:
                if not watched.is_followed(cursor, wanted.source):
                    hint = "give a cron expression, such as '*/10 * * * *', or 'manual'"
                    raise Invalid("the source reads a folder, of whose changes the lake hears nothing", hint)

    def refresh(self, corpus: str | None) -> Outcome:
        """Bring a corpus up to date with its source; `unchanged` when it is."""
        definition = self._lake.corpora.definition(self._lake.corpora.changed_by(corpus, self._session.reach))
        with self._lake.corpora.building(definition.corpus):
            return self._build(definition, self._lake.corpora.base(definition.corpus))

    def _build(self, definition: Definition, live: Generation | None) -> Outcome:
        started = time.monotonic()
        seen = self._lake.corpora.upkeep.seen()
        embedder = self._lake.models.embedder(definition.embedder)
        root = self._lake.corpora.folder(definition.corpus)
        root.mkdir(parents=True, exist_ok=True)
        spooled = Path(tempfile.mkdtemp(prefix=".building-", dir=root))
        try:
            documents, texts = self._read(definition, spooled / "source.arrow")
            outcome = self._write(definition, embedder, documents, texts, live)
        except BaseException:
            with suppress(LakehouseError, duck.Error):  # what failed is to be told; the next swap or open tidies up
                self._lake.corpora.retire(definition.corpus)
            raise
        finally:
            shutil.rmtree(spooled, ignore_errors=True)
        self._lake.corpora.upkeep.done(definition.corpus, seen)
        return replace(outcome, seconds=round(time.monotonic() - started, 3))

    def _read(self, definition: Definition, path: Path) -> tuple[pa.Table, list[str | None]]:
        with self._owner(definition) as session:
            rows = source.spool(session, definition.source, path, self._statement)
        columns = source.choose(rows.column_names, definition.id_column, definition.text_column, definition.metadata)
        cursor = self._lake.cursor()
        try:
            return source.documents(rows, columns, cursor)
        finally:
            cursor.close()

    @contextmanager
    def _owner(self, definition: Definition) -> Iterator[Session]:
        """The session that reads the source: with the rights of who made the corpus, whoever refreshes it."""
        owner = definition.owner or ADMIN
        if owner == self._session.profile or (definition.owner is None and self._session.reach.sees_everything):
            yield self._session
            return
        if self._lake.profiles.find(owner) is None:
            raise Conflict(f"the profile {owner!r} that made the corpus is gone", "drop the corpus and make it again")
        session = self._lake.session(owner)
        try:
            yield session
        finally:
            session.close()

    def _write(
        self,
        definition: Definition,
        embedder: Embedder,
        documents: pa.Table,
        texts: list[str | None],
        live: Generation | None,
    ) -> Outcome:
        same_model = live is not None and live.manifest.model_sha256 == embedder.sha256
        same_columns = live is not None and live.segments[0].documents.schema.equals(documents.schema)
        base = live if same_model and same_columns else None
        delta = build.difference(documents, texts, base)
        if base is not None and not delta.rows and not delta.changes.deleted:
            manifest = base.manifest
            return Outcome("unchanged", manifest.generation, manifest.documents, _chunks(manifest), delta.changes, 0.0)
        folding = base is None or (build.should_fold(base, delta) and not self._folds_behind(base))
        kept, written = (None, delta) if folding else self._kept(documents, texts, base, delta)
        rows = list(range(documents.num_rows)) if folding else written.rows
        contents, duplicates = self._contents(definition, embedder, documents, texts, rows, base)
        manifest = self._manifest(definition, embedder, contents, kept, written)
        changes = replace(delta.changes, duplicates=duplicates)
        self._statement.check()
        facts = {name: getattr(changes, name) for name in ("added", "updated", "deleted", "failed", "duplicates")}
        known = self._lake.corpora.exists(definition.corpus)
        status = "created" if not known else "rebuilt" if folding else "refreshed"
        self._lake.corpora.swap(definition, manifest, facts, status, self._session.profile)
        return Outcome(status, manifest.generation, manifest.documents, _chunks(manifest), changes, 0.0)

    def _folds_behind(self, live: Generation) -> bool:
        """Whether the fold is left to the background: one here would make the corpus lose its index for a while."""
        return self._lake.config.search.fold and live.indexed(0) is not None

    def _kept(
        self, documents: pa.Table, texts: list[str | None], base: Generation | None, delta: Delta
    ) -> tuple[Generation | None, Delta]:
        """The generation whose segments stay, and the difference to it: only the base when there are many others."""
        if base is None or len(base.manifest.parts) <= MOST_DELTAS:
            return base, delta
        kept = self._lake.corpora.opened(replace(base.manifest, parts=base.manifest.parts[:1]))
        return kept, build.difference(documents, texts, kept)

    def _contents(
        self,
        definition: Definition,
        embedder: Embedder,
        documents: pa.Table,
        texts: list[str | None],
        rows: list[int],
        base: Generation | None,
    ) -> tuple[Contents, int]:
        statement = self._statement
        task = Task(
            embedder,
            min(definition.chunk_size, embedder.max_tokens),
            self._lake.config.search.overlap,
            statement.check,
            statement.cancelled.is_set,
            lambda done, total, what: setattr(statement, "progress", (done, total, what)),
        )
        chunks = build.cut(task, [texts[row] for row in rows])
        known = build.vectors_by_sha(base) if base is not None else {}
        vectors, duplicates = build.embed(task, chunks, known)
        return Contents(documents.take(pa.array(rows, pa.int64())).combine_chunks(), chunks, vectors), duplicates

    def _manifest(
        self, definition: Definition, embedder: Embedder, contents: Contents, base: Generation | None, delta: Delta
    ) -> Manifest:
        corpora = self._lake.corpora
        root, name = corpora.folder(definition.corpus), corpora.next_name(definition.corpus)
        parts: list[Part] = []
        if base is not None:
            parts = [replace(part, dead=dead) for part, dead in zip(base.manifest.parts, delta.dead, strict=True)]
        if base is None or contents.documents.num_rows:
            parts.append(build.write_segment(root, name, contents))
        floor = base.manifest.floor if base is not None else build.calibrate(embedder, contents)
        manifest = Manifest(
            definition.corpus,
            name,
            embedder.model_id,
            embedder.sha256,
            embedder.dimension,
            definition.chunk_size,
            floor,
            parts,
            engine=base.manifest.engine if base is not None else "exact",
            graph=base.manifest.graph if base is not None else None,
        )
        build.write_manifest(root, manifest)
        return manifest


def _chunks(manifest: Manifest) -> int:
    return sum(part.chunks for part in manifest.parts)
