"""Parts of a transformer, found by the real names and shapes of its parameters."""

from collections.abc import Iterator, Mapping

from attrs import define, frozen
from torch import Tensor, nn

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.components import HeadsUnknown, NoSuchPart, UnknownLayout
from pattern_lang.estimate.layouts import (
    CONFIGS,
    EMBEDDINGS,
    HEADS,
    LAYOUTS,
    MLPS,
    UNEMBEDDINGS,
    Layout,
    Projection,
)
from pattern_lang.estimate.selection import Piece, Range, Selection
from pattern_lang.ir.sources import LibraryComponent

_MATRICES = ("weight", "W_E", "W_U")
_BIASES = {"weight": "bias", "W_U": "b_U"}


@frozen
class Attention:
    """The attention of one layer: its layout, the prefix of its parameters, the layer's index.

    `index` is the layer's place in tensors that hold all layers, None in other layouts.
    """

    layout: Layout
    prefix: str
    index: int | None = None


@define(eq=False)
class Transformer:
    """A module read as a transformer; `names` maps every parameter name to its first one."""

    module: nn.Module
    names: Mapping[str, str]
    asked: LibraryComponent

    # ---- what is asked for ----------------------------------------------------------------------

    def head(self, layer: int, head: int) -> Selection:
        """Return one head: its query, key and value rows and its columns of the output map."""
        attention = self._attention(layer)
        heads = self._heads(attention)
        self._within("head", head, heads)
        pieces = []
        for projection in attention.layout.projections:
            name = self._name(attention, projection)
            if name is not None:
                ranges = list(self._ranges(attention, projection, name, head, heads))
                pieces += [Piece(self.names[name], item) for item in ranges]
        return tuple(pieces)

    def mlp(self, layer: int) -> Selection:
        """Return the parameters of one layer's MLP."""
        own = self._attention(layer).prefix
        others = [a.prefix for a in self._attentions() if a.prefix != own]
        for block in _outwards(own):
            if any(other.startswith(block) for other in others):
                break
            found = [n for n in self.names if n.startswith(tuple(f"{block}{m}." for m in MLPS))]
            if found:
                return tuple(Piece(self.names[name]) for name in found)
        raise self._unknown("an MLP beside the attention", MLPS)

    def embedding(self) -> Selection:
        """Return the token embedding."""
        return self._named(EMBEDDINGS, "a token embedding")

    def unembedding(self) -> Selection:
        """Return the output matrix, with its bias."""
        return self._named(UNEMBEDDINGS, "an output matrix")

    # ---- where it is ----------------------------------------------------------------------------

    def _named(self, known: tuple[str, ...], what: str) -> Selection:
        """Return the parameters of the first module of a known name, or a tensor called so."""
        for option in known:
            for name in self.names:
                owner, _, last = name.rpartition(".")
                module = owner.rpartition(".")[2]
                if last == option or (module == option and last in _MATRICES):
                    bias = f"{owner}.{_BIASES.get(last)}"
                    both = [name, *([bias] if bias in self.names else [])]
                    return tuple(Piece(self.names[item]) for item in both)
        raise self._unknown(what, known)

    def _attention(self, layer: int) -> Attention:
        found = self._attentions()
        if not found:
            raise self._unknown("attention", [m for item in LAYOUTS for m in item.marker])
        self._within("layer", layer, len(found))
        return found[layer]

    def _attentions(self) -> list[Attention]:
        """Return the attention of every layer, in the order of the module's parameters."""
        found: list[Attention] = []
        for name in self.names:
            for layout in LAYOUTS:
                marker = next((m for m in layout.marker if _ends(name, m)), None)
                if marker is None or not self._fits(layout, name):
                    continue
                prefix = name.removesuffix(marker)
                if layout.dimensions == 4:
                    layers = self._tensor(name).shape[0]
                    found += [Attention(layout, prefix, index) for index in range(layers)]
                else:
                    found.append(Attention(layout, prefix))
                break
        return found

    def _fits(self, layout: Layout, marker: str) -> bool:
        shape = self._tensor(marker).shape
        if len(shape) != (layout.dimensions or 2):
            return False
        rows, columns = shape[-2:]
        return {"any": True, "wide": columns > rows, "tall": rows > columns}[layout.shape]

    def _tensor(self, name: str) -> Tensor:
        return self.module.get_parameter(name)

    def _name(self, attention: Attention, projection: Projection) -> str | None:
        found = [
            name
            for option in projection.names
            if (name := attention.prefix + option) in self.names
            and projection.dimensions in (None, self._tensor(name).dim())
        ]
        if not found and projection.role == "output":
            raise self._unknown("an output projection of attention", projection.names)
        return found[0] if found else None

    # ---- how many heads, and which rows are theirs ----------------------------------------------

    def _heads(self, attention: Attention) -> int:
        """Return the number of heads: of an axis, or said by the attention or a module around."""
        first = attention.layout.projections[0]
        if first.arrangement == "stacked":
            name = self._name(attention, first)
            assert name is not None  # it is the marker
            return int(self._tensor(name).shape[first.axis])
        for owner in self._around(attention.prefix.rstrip(".")):
            for holder in (owner, *(getattr(owner, config, None) for config in CONFIGS)):
                for attribute in HEADS:
                    value = getattr(holder, attribute, None)
                    if isinstance(value, int) and value > 0:
                        return value
        raise PatternError(
            [
                HeadsUnknown(
                    span=self.asked.origin,
                    component=self.asked.text,
                    attention=attention.prefix.rstrip(".") or "the module",
                    model=self.asked.model.name,
                )
            ]
        )

    def _around(self, path: str) -> Iterator[nn.Module]:
        """Yield a module and those around it, from the inside."""
        while path:
            yield self.module.get_submodule(path)
            path = path.rpartition(".")[0]
        yield self.module

    def _ranges(
        self, attention: Attention, projection: Projection, name: str, head: int, heads: int
    ) -> Iterator[tuple[Range, ...]]:
        """Yield the blocks of one parameter that belong to a head."""
        shape, axis = self._tensor(name).shape, projection.axis
        rows = int(shape[axis])
        if projection.arrangement == "stacked":
            layer = () if attention.index is None else ((0, attention.index, attention.index + 1),)
            shared = head * rows // heads
            yield (*layer, (axis, shared, shared + 1))
            return
        width = self._width(attention, heads)
        match projection.arrangement:
            case "fused":
                shared = (rows // width - heads) // 2
                counts = [heads, shared, shared]
            case "interleaved":
                counts, width = [heads], 3 * width
            case _:
                counts = [rows // width]
        fits = sum(counts) * width == rows
        if not fits or any(count <= 0 or heads % count for count in counts):
            raise self._unknown(f"{heads} heads in the {rows} rows of `{name}`", [name])
        start = 0
        for count in counts:
            # Of fewer keys and values than heads, each serves as many heads in a row.
            first = start + head * count // heads * width
            yield ((axis, first, first + width),)
            start += count * width

    def _width(self, attention: Attention, heads: int) -> int:
        """Return the numbers of one head, from the width of the output projection."""
        output = next(p for p in attention.layout.projections if p.role == "output")
        name = self._name(attention, output)
        assert name is not None  # or it would have raised
        width, rest = divmod(int(self._tensor(name).shape[output.axis]), heads)
        if rest or not width:
            raise self._unknown(f"{heads} heads in the {output.role} map `{name}`", [name])
        return width

    # ---- mistakes -------------------------------------------------------------------------------

    def _within(self, what: str, number: int, count: int) -> None:
        if not 0 <= number < count:
            raise PatternError(
                [
                    NoSuchPart(
                        span=self.asked.origin,
                        component=self.asked.text,
                        what=what,
                        number=number,
                        model=self.asked.model.name,
                        count=f"{count} {what}{'' if count == 1 else 's'}",
                        last=count - 1,
                    )
                ]
            )

    def _unknown(self, what: str, looked_for: "list[str] | tuple[str, ...]") -> PatternError:
        names = tuple(dict.fromkeys(self.names.values()))
        return PatternError(
            [
                UnknownLayout(
                    span=self.asked.origin,
                    component=self.asked.text,
                    what=what,
                    model=self.asked.model.name,
                    looked_for=tuple(dict.fromkeys(looked_for)),
                    first=names[0] if names else "NAME",
                    names=names[:12],
                )
            ]
        )


def _ends(name: str, marker: str) -> bool:
    return name == marker or name.endswith(f".{marker}")


def _outwards(prefix: str) -> Iterator[str]:
    """Yield a prefix of names, then those of the modules around it, the last one empty."""
    yield prefix
    while prefix:
        prefix = prefix[: prefix.rstrip(".").rfind(".") + 1]
        yield prefix
