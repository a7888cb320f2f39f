"""Releases and hosts as the tests need them."""

from deploy.release.host_state import HostState, Running
from deploy.release.release import Release, ServiceRecord


def record(image: str, *strategies: str, configuration: str = "c1", secrets: str = "") -> ServiceRecord:
    """Return a service's record; everything that it is made of is in its fingerprint. All its manifests are version m1."""
    return ServiceRecord(
        f"openbell/x:{image}",
        f"sha256:{image}",
        f"{image}-{configuration}-{secrets}",
        configuration,
        secrets,
        (),
        dict.fromkeys(strategies, "m1"),
    )


def release(name: str, **services: ServiceRecord) -> Release:
    """Return a release."""
    return Release(name, "2026-11-21T09:15:00Z", "alice@laptop", "8b50d2b7a1c0ffee", False, services)


def host(current: Release, *before: Release, **states: str) -> HostState:
    """Return a host on which all services of a release run, but those whose state is given."""
    containers = {
        name: Running(
            f"id-{name}",
            states.get(name, "running"),
            service.fingerprint,
            tuple(service.manifests) or (name,),
            base=service.base,
        )
        for name, service in current.services.items()
    }
    return HostState(containers, (*before, current), current)
