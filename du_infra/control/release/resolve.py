"""Which release each service should run: what fleet.yaml's tag means now, or what was released over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from du_infra.control.context import RegionContext
from du_infra.engines import skopeo
from du_infra.parallel import each
from du_infra.release import pins
from du_infra.release.aim import Kept, live_of
from du_infra.release.plan import ARCHITECTURES, SIZE, release_of
from du_infra.release.secrets import Secrets, read_secrets, readable_secrets
from du_infra.release.state import Json, Rollout
from du_infra.spec import ServiceSpec


@dataclass(frozen=True)
class Resolved:
    """Records by service, the secrets they may need, and for each that is not fleet.yaml's the words that say so."""

    records: Mapping[str, Json]
    secrets: Secrets
    over: Mapping[str, str]


def resolve(context: RegionContext) -> Resolved:
    """Every service of the region, each tag looked up in its registry now.

    Raises SpecError when an image or a secret does not exist, Unreachable when a registry does not answer.
    """
    secrets = read_secrets(context.services, context.folder)
    last = _pinned(context)
    pinned = {name: record for name, (_, record) in last.items()}
    names = [name for name in context.services if name not in pinned]
    found = each(lambda name: record_for(context, name, context.services[name], secrets), names)
    records = {**pinned, **dict(zip(names, found, strict=True))}
    return Resolved({name: records[name] for name in context.services}, secrets, _words(context, last))


def resolve_live(context: RegionContext) -> Resolved:
    """Every service of the region at the release that serves; fleet.yaml's word counts where none does.

    Raises what :func:`resolve` does, but for secrets: a source that is missing is only missed where it is needed.
    """
    known, secrets = kept(context), secrets_at_hand(context)
    live = {name: known.records.get((name, known.live.get(name, ""))) for name in context.services}
    records = {
        name: record or record_for(context, name, context.services[name], secrets) for name, record in live.items()
    }
    return Resolved(records, secrets, {})


def record_for(context: RegionContext, name: str, service: ServiceSpec, secrets: Secrets) -> Json:
    """The release of ``service`` as it is described, at the image that its tag means now."""
    image = _image(context, service)
    record = release_of(name, service, image.digest, secrets.fingerprints.get(name, {}))
    return {**record, SIZE: image.size_mb, ARCHITECTURES: list(image.architectures)}


def kept(context: RegionContext) -> Kept:
    """What the store knows of the region's releases."""
    store = context.store
    return Kept(store.releases(context.name), live_of(store.rollouts.live(context.name)))


def pinned_records(context: RegionContext) -> dict[str, Json]:
    """Records of the services that run another release than fleet.yaml says, because somebody released it."""
    return {name: record for name, (_, record) in _pinned(context).items()}


def over_words(context: RegionContext) -> dict[str, str]:
    """The same, in words for a person."""
    return _words(context, _pinned(context))


def secrets_at_hand(context: RegionContext) -> Secrets:
    """The secrets whose sources can be read now; for the way back, where the nodes have what they need."""
    return readable_secrets(context.services, context.folder)


def _pinned(context: RegionContext) -> dict[str, tuple[Rollout, Json]]:
    """By service: the rollout that brought what fleet.yaml does not say, and the record of what it brought."""
    known = context.store.releases(context.name)
    found = {}
    for name, service in context.services.items():
        last = context.store.rollouts.last_done(context.name, name)
        if last and (record := known.get((name, pins.pinned(last, service)))):
            found[name] = last, record
    return found


def _words(context: RegionContext, pinned: Mapping[str, tuple[Rollout, Json]]) -> dict[str, str]:
    return {name: pins.words(last, record, context.services[name]) for name, (last, record) in pinned.items()}


def _image(context: RegionContext, service: ServiceSpec) -> skopeo.Image:
    for registry in context.provider.registries():
        if service.image.startswith(f"{registry.host}/"):
            repository = registry.address + service.image.removeprefix(registry.host)
            return skopeo.inspect(repository, service.tag, plain_http=registry.plain_http)
    return skopeo.inspect(service.image, service.tag)
