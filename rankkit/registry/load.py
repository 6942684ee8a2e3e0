"""Names to rankers: how ``name:key=value`` becomes an object that ranks.

Nothing is imported before it is loaded.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rankkit.core.binding import describe
from rankkit.core.build import build, check_target
from rankkit.core.named import NamedImages
from rankkit.core.panel import mean_rank
from rankkit.core.rankers import loaded_as
from rankkit.core.stated import (
    kind_of,
    metadata_images,
    needs_prompt,
    of_rankers,
    reads_metadata,
    version_of,
)
from rankkit.core.types import Identity, Kind, Ranker
from rankkit.errors import BadOption, BrokenRanker, RankkitError, UnknownRanker, UsageError
from rankkit.registry.find import find
from rankkit.registry.options import check_options, coerced
from rankkit.registry.spec import Spec, is_folder, panel_name, parse
from rankkit.remote import config


@dataclass(frozen=True)
class Prepared:
    """A ranker found, imported and its options checked, but not built: weights are loaded by `load` only.

    `identity` is what its rows will say: the version of the distribution and what the ranker states beside
    it, before it is built. `independent` says that an image can be scored without the others of its group, so
    that a group of any size can be scored in pieces: a pointwise ranker, or a panel of such, whose ranks are
    combined when the group is complete. `plain` says that it is a function of the image which is found by its
    spec in any process, without a device or a state of its own; `own`, that rankkit brings it, and it keeps
    nothing open. `reads_metadata` says that its scores may depend on the metadata of an image; so may those
    of a ranker elsewhere that does not tell.
    `metadata_images` are the keys of metadata whose values name images that it opens, with the folder where
    relative paths start: its scores stand only while these files hold what they held.
    """

    spec: str
    identity: Identity
    kind: Kind
    needs_prompt: bool
    load: Callable[[], Ranker]
    independent: bool
    plain: bool = False
    reads_metadata: bool = True
    metadata_images: tuple[NamedImages, ...] = ()
    own: bool = False

    def __reduce__(self) -> tuple[Callable[[str], Prepared], tuple[str]]:
        """For processes: by its spec, which only a `plain` one can be found by."""
        if not self.plain:
            raise TypeError(f"{self.spec} is not found by its name in another process")
        return prepare_here, (self.spec,)


def load(spec: str, /, **options: Any) -> Ranker:
    """The ranker that a spec names, built and ready.

    Keyword options are added to those in the spec, as Python values.

    Raises `UnknownRanker`, `BadOption` or `BrokenRanker`, each naming the thing and the next step.
    """
    return prepare(spec, **options).load()


def load_here(spec: str, /, **options: Any) -> Ranker:
    """As `load`, but only from this very environment: never forwarded to another process or machine."""
    return prepare(spec, local_only=True, **options).load()


def prepare_here(spec: str, /) -> Prepared:
    """As `prepare`, but only from this very environment, as `load_here`."""
    return prepare(spec, local_only=True)


def prepare(spec: str, /, *, local_only: bool = False, **options: Any) -> Prepared:
    """Find, import and check what a spec names, without building it. Raises as `load` does.

    A ranker that lives elsewhere is connected to, for only it knows its kind, its version and whether it
    needs prompts. With `local_only` there is no elsewhere, as for `load_here`.
    """
    members = parse(spec)
    if len(members) == 1 and members[0][1] is None:
        return _prepare_one(members[0][0], options, local_only)
    if options:
        raise BadOption(
            f"{spec}: a panel takes no options of its own ({', '.join(options)}); give them to its members"
        )
    return _prepare_panel(spec, members, local_only)


def _prepare_panel(text: str, members: list[tuple[Spec, float | None]], local_only: bool) -> Prepared:
    parts = {spec.text: _prepare_one(spec, {}, local_only) for spec, _ in members}
    weights = {spec.text: 1.0 if weight is None else weight for spec, weight in members}
    if len(parts) < len(members):
        raise UsageError(f"{text!r} names the same ranker twice; give it a weight instead")
    for name, weight in weights.items():
        if not 0 < weight < float("inf"):
            raise UsageError(f"{text!r}: the weight of {name} is {weight:g}; weights are positive numbers")
    version = ", ".join(f"{name} {part.identity.version}" for name, part in parts.items())
    return Prepared(
        text,
        Identity(panel_name(weights), version, weights=weights),
        "listwise",
        any(part.needs_prompt for part in parts.values()),
        load=lambda: mean_rank({name: part.load() for name, part in parts.items()}, weights),
        independent=all(part.independent for part in parts.values()),
        plain=all(part.plain for part in parts.values()),
        own=all(part.own for part in parts.values()),
        reads_metadata=any(part.reads_metadata for part in parts.values()),
        metadata_images=tuple({named: None for part in parts.values() for named in part.metadata_images}),
    )


def _prepare_one(spec: Spec, options: Mapping[str, Any], local_only: bool) -> Prepared:
    place = None if local_only or is_folder(spec.name) else config.find(spec.name)
    if place is not None:
        ranker = config.connect(place, {**spec.options, **options})
        return Prepared(
            spec.text,
            Identity(spec.name, ranker.version, ranker.options),
            ranker.kind,
            ranker.needs_prompt,
            load=ranker.open,
            independent=ranker.kind == "pointwise",
            reads_metadata=ranker.reads_metadata,
            metadata_images=ranker.metadata_images,
        )
    if spec.name.startswith(("http://", "https://")):
        raise UsageError(
            f"{spec.name}: a worker ranks by itself, and never asks another machine; name a ranker that is "
            f"installed here"
        )
    target, version = find(spec.name)
    return _prepare_target(spec, target, version, options, local_only)


def _prepare_target(
    spec: Spec, target: Any, version: str, options: Mapping[str, Any], local_only: bool
) -> Prepared:
    check_target(target)
    given = {**coerced(spec, target), **options}
    check_options(spec.name, target, given)
    stated, kind = version_of(target, given), kind_of(target)
    parts = {key: _part(spec, key, given[key], local_only) for key in of_rankers(target) if key in given}

    def build_it() -> Ranker:
        built = {key: part.load() for key, part in parts.items()}
        try:
            return loaded_as(build(target, **{**given, **built}), spec.name, given)
        except RankkitError:
            raise
        except (Exception, SystemExit) as error:
            raise BrokenRanker(f"{spec.text} cannot be built: {describe(error)}") from error

    inner = ", ".join(f"{part.spec} {part.identity.version}" for part in parts.values())
    version = "+".join(each for each in (version, stated, inner) if each)
    independent = kind == "pointwise"
    named = [*metadata_images(target, _folder(target, given))]
    named += [each for part in parts.values() for each in part.metadata_images]
    return Prepared(
        spec.text,
        Identity(spec.name, version, given),
        kind,
        needs_prompt(target) or any(part.needs_prompt for part in parts.values()),
        load=build_it,
        independent=independent,
        plain=independent and inspect.isfunction(target) and "device" not in given and not options,
        own=getattr(target, "__module__", "").startswith("rankkit."),
        reads_metadata=any(part.reads_metadata for part in parts.values())
        if parts
        else reads_metadata(target),
        metadata_images=tuple(dict.fromkeys(named)),
    )


def _folder(target: Any, given: Mapping[str, Any]) -> Any:
    """The option `folder` as it is given, else its default; empty where there is none."""
    asked = inspect.signature(target).parameters.get("folder") if callable(target) else None
    return given.get("folder", "" if asked is None or asked.default is asked.empty else asked.default)


def _part(spec: Spec, key: str, named: object, local_only: bool) -> Prepared:
    """The ranker that an option of another names."""
    if not isinstance(named, str):
        raise BadOption(
            f"{spec.name}: {key} is written as a ranker, such as {key}=sharpness; "
            "rankkit.veto takes built ones"
        )
    try:
        return prepare(named, local_only=local_only)
    except UnknownRanker as error:
        raise UnknownRanker(f"{spec.text}: {key}={named}: {error}") from None
