"""The tensors of PyTorch modules that were read as records, by the names of a state dict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from graf_cli.weights.records import Record, StoredTensor, UnsafeFileError


def children(module: Record) -> dict[str, Record]:
    """The modules right below one, in their order."""
    found = {}
    for name, child in _table(module, "_modules").items():
        if child is None:
            continue
        if not isinstance(child, Record):
            raise UnsafeFileError("has something else in the place of a module")
        found[name] = child
    return found


def tensors(module: Record) -> dict[str, StoredTensor]:
    """Parameters and buffers of a module and of all below it, in the order of a state dict.

    Raises
    ------
    UnsafeFileError
        When something is not laid out as PyTorch's modules are, or carries hooks: what they do is
        not in the file, so that the picture would be another.
    """
    return dict(_walk(module, ""))


def _walk(module: Record, prefix: str) -> Iterator[tuple[str, StoredTensor]]:
    for key, value in module.state.items():
        if isinstance(key, str) and "_hooks" in key and value:
            raise UnsafeFileError(f"carries hooks at `{prefix}{module.name}`")
    for table in ("_parameters", "_buffers"):
        for name, tensor in _table(module, table).items():
            if tensor is None:
                continue
            if not isinstance(tensor, StoredTensor):
                raise UnsafeFileError(f"has something else in the place of `{prefix}{name}`")
            yield f"{prefix}{name}", tensor
    for name, child in children(module).items():
        yield from _walk(child, f"{prefix}{name}.")


def _table(module: Record, name: str) -> Mapping[str, object]:
    table = module.state.get(name)
    if not isinstance(table, dict) or not all(isinstance(key, str) for key in table):
        raise UnsafeFileError(f"holds a `{module.name}` that is not laid out as a module")
    return table
