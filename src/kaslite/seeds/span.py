"""Where a seed layer sits: the point of the host that it reads and the point that it writes.

Points are outputs of submodules, called by their dotted names. Not for: shapes; those are seen in a forward pass.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from kaslite.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

_COMPILED = "_orig_mod"  # the name under which torch.compile keeps the module that it wraps


@dataclass(frozen=True)
class Span:
    """A seed layer that writes at the output of ``writes`` and reads the output of ``reads``: by default the same."""

    writes: str
    reads: str | None = None

    @property
    def source(self) -> str:
        """Name of the submodule whose output is read."""
        return self.writes if self.reads is None else self.reads


def submodules(host: nn.Module) -> dict[str, nn.Module]:
    """Return the host's submodules by name, a shared one by each of its names.

    The wrapper that ``torch.compile`` adds leaves no trace in the names.
    """
    found = {}
    for name, module in host.named_modules(remove_duplicate=False):
        plain = ".".join(part for part in name.split(".") if part != _COMPILED)
        if plain:
            found[plain] = module
    return found


def find_spans(host: nn.Module, at: str | Span | Sequence[str | Span]) -> list[Span]:
    """Resolve patterns and spans to the spans that they mean, in the host's own order.

    A ``*`` in a pattern stands for one part of a dotted name: ``blocks.*`` is ``blocks.0`` and not ``blocks.0.linear``.

    Raises:
        UsageError: if a pattern or a name matches nothing, if two of them meet at one submodule or one inside the other, or
            if the host holds a submodule under two names.
    """
    known = submodules(host)
    spans: list[Span] = []
    entries = [at] if isinstance(at, str | Span) else at
    if not entries:
        raise UsageError('at= is empty, so nothing could ever grow; give it a pattern of submodules, such as "blocks.*".')
    for entry in entries:
        if not isinstance(entry, str | Span):
            raise UsageError(f"at= holds {entry!r}; it takes names of submodules, patterns of them, and kaslite.Span objects.")
        spans += [_checked(entry, known)] if isinstance(entry, Span) else _matching(entry, known)
    written = [span.writes for span in spans]
    twice = sorted({name for name in written if written.count(name) > 1})
    if twice:
        raise UsageError(
            f"two entries of at= write to {twice[0]!r}; a submodule carries one seed layer "
            "(use seeds_per_layer to put several seeds there)."
        )
    for name in written:
        _check_alone(name, written, known)
    order = {name: place for place, name in enumerate(known)}
    return sorted(spans, key=lambda span: order[span.writes])


def _matching(pattern: str, known: Mapping[str, nn.Module]) -> list[Span]:
    parts = pattern.split(".")
    spans = [
        Span(writes=name)
        for name in known
        if len(names := name.split(".")) == len(parts) and all(map(fnmatchcase, names, parts))
    ]
    if not spans:
        raise _no_such(pattern, known)
    return spans


def _check_alone(name: str, written: Sequence[str], known: Mapping[str, nn.Module]) -> None:
    inside = next((other for other in written if other.startswith(f"{name}.")), None)
    if inside is not None:
        raise UsageError(
            f"at= puts seeds on {name!r} and on {inside!r} inside it; take one of the two, "
            "or a pattern that does not match both."
        )
    shared = [other for other, module in known.items() if module is known[name]]
    if len(shared) > 1:
        raise UsageError(
            f"the host holds one submodule as {' and as '.join(map(repr, shared))}, and seeds on {name!r} could not tell "
            "its calls apart; put them on a submodule that is held once, such as what contains it."
        )


def _checked(span: Span, known: Mapping[str, nn.Module]) -> Span:
    for name in (span.writes, span.source):
        if name not in known:
            raise _no_such(name, known)
    return span


def _no_such(name: str, known: Mapping[str, nn.Module]) -> UsageError:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.3) or list(known)[:3]
    return UsageError(
        f"at={name!r} matches no submodule of the host; its submodules are called, for example, "
        f"{', '.join(map(repr, near)) or '(it has none)'} (see host.named_modules())."
    )
