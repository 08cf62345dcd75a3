"""du-infra as a library: ``du_infra.load("fleet.yaml").region("home").up()``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from du_infra.progress import Reporter, silent
from du_infra.spec import FleetSpec, load_spec, region_of

if TYPE_CHECKING:
    from du_infra.control.autoscale import Autoscaled
    from du_infra.control.cluster.backup import BackupResult
    from du_infra.control.cluster.restore import Restoring
    from du_infra.control.cluster.vault import Kept
    from du_infra.control.context import RegionContext
    from du_infra.control.down import DownResult
    from du_infra.control.examine import Diagnosis
    from du_infra.control.move import MoveResult
    from du_infra.control.node.desk import NodeResult
    from du_infra.control.reconcile import ReconcileResult
    from du_infra.control.region_plan import RegionPlan
    from du_infra.control.release.past import Standing
    from du_infra.control.release.result import ReleaseResult
    from du_infra.control.rounds import RoundResult
    from du_infra.control.up import UpResult
    from du_infra.entrance import Traffic
    from du_infra.gitops.write import WritePlan
    from du_infra.health.state import NodeStatus, RegionStatus
    from du_infra.pool.turns import RoundKind
    from du_infra.release.outline import ReleasePlan
    from du_infra.release.state import Holder, Rollout
    from du_infra.traffic.move import MovePlan


@dataclass(frozen=True)
class Region:
    """One region of a fleet. Every method observes first, so the object never grows stale."""

    fleet: Fleet
    name: str

    def up(self, *, report: Reporter = silent, reconfigure: bool = False, may_destroy: bool = True) -> UpResult:
        """Bring the region to what fleet.yaml says; safe to run again at any time.

        Where that is fewer nodes, some are drained and destroyed, and nobody is asked: ``leaving`` says which, and
        with ``may_destroy=False`` Refused is raised instead. ``report`` is told of every stage and step;
        ``reconfigure`` runs Ansible even where nothing asks for it. Raises a subclass of DuError.
        """
        from du_infra.control.up import region_up

        return region_up(self._context(), report, reconfigure=reconfigure, may_destroy=may_destroy)

    def down(self, *, report: Reporter = silent) -> DownResult:
        """Destroy the region's machines and forget it. Nobody is asked: that is the command line's part."""
        from du_infra.control.down import region_down

        return region_down(self._context(), report)

    def doomed(self) -> list[str]:
        """The machines that ``down`` would destroy, by name."""
        from du_infra.control.down import doomed

        return doomed(self._context())

    def status(self) -> RegionStatus:
        """The region as it is now."""
        from du_infra.control.status import region_status

        return region_status(self._context())

    def doctor(self) -> Diagnosis:
        """What is amiss in the region, or soon will be; changes nothing. Raises Refused where it is not up."""
        from du_infra.control.examine import region_doctor

        return region_doctor(self._context())

    def kubeconfig(self) -> str:
        """The administrator's kubeconfig of the region's cluster, as YAML: it is as good as a password.

        Raises Refused where the region is not up or has no cluster, Unreachable when no server answers.
        """
        from du_infra.control.cluster.kubeconfig import kubeconfig

        return kubeconfig(self._context())

    def backup(self, *, report: Reporter = silent) -> BackupResult:
        """Copy what the region's cluster keeps onto this machine, and read the copy back. K3s runs on meanwhile.

        Raises Refused where there is no cluster, NotReady when its API does not answer, EngineFailed for a bad copy.
        """
        from du_infra.control.cluster.backup import region_backup

        return region_backup(self._context(), report)

    def backups(self) -> list[Kept]:
        """The backups of the region's cluster on this machine, the newest first."""
        from du_infra.control.cluster.vault import kept

        return kept(self._context())

    def restore(self, *, report: Reporter = silent, from_backup: bool = False) -> UpResult:
        """Have a cluster that lost its servers go on, with what one on etcd has or the newest backup. Nobody is asked.

        What the cluster was told since is gone. ``from_backup``: whatever servers still have. Raises Refused where the
        API answers, enough servers are there or there is no backup, and what ``up`` does.
        """
        from du_infra.control.cluster.restore import region_restore

        return region_restore(self._context(), report, from_backup=from_backup)

    def plan_restore(self, *, from_backup: bool = False) -> Restoring:
        """What ``restore`` would go back to, and what it would destroy. Raises what it does."""
        from du_infra.control.cluster.restore import plan_restore

        return plan_restore(self._context(), from_backup=from_backup)

    def plan(self) -> RegionPlan:
        """What ``up`` would do now; changes nothing, and makes no state where there is none."""
        from du_infra.control.plan_up import plan_up

        return plan_up(self._context())

    def scale(self, nodes: int, *, report: Reporter = silent) -> UpResult:
        """Have the region consist of ``nodes`` nodes, until fleet.yaml's pool says something new; nobody is asked.

        New nodes get requests once they are ready, leaving ones are drained before they are destroyed. Raises Refused
        where fleet.yaml's min and max forbid it, and what ``up`` does.
        """
        from du_infra.control.scale import region_scale

        return region_scale(self._context(), nodes, report)

    def plan_scale(self, nodes: int) -> RegionPlan:
        """What ``scale`` would do now."""
        from du_infra.control.scale import plan_scale

        return plan_scale(self._context(), nodes)

    def autoscale(self, *, report: Reporter = silent) -> Autoscaled:
        """One pass of the autoscaler: measure, decide by fleet.yaml's ``pool.autoscale``, and scale; nobody is asked.

        Measures are remembered, so that it takes some passes, one a minute or more, until nodes are taken away. Raises
        Refused where fleet.yaml says nothing of it or the region is not up, and what ``scale`` does.
        """
        from du_infra.control.autoscale import carry_out

        return carry_out(self._context(), self.plan_autoscale(), report)

    def plan_autoscale(self) -> Autoscaled:
        """What ``autoscale`` would do now; it remembers what it measured, and changes nothing else."""
        from du_infra.control.autoscale import plan_autoscale

        return plan_autoscale(self._context())

    def reconcile(self, *, asked: str | None = None, report: Reporter = silent) -> ReconcileResult:
        """Have the region become what its machines are, whoever made and destroyed them; none is made or destroyed.

        ``asked``: what Terraform was asked for, as modules/pool-hooks gives it: in turn with other hooks, and logged.
        """
        from du_infra.control.reconcile import reconcile, reconcile_by_hook

        context = self._context()
        return reconcile(context, report) if asked is None else reconcile_by_hook(context, asked, report)

    def leaving(self) -> list[str]:
        """The nodes that ``up`` would have leave, by name, but for those that are on their way out already."""
        from du_infra.control.machines import leaving

        return leaving(self._context())

    def nodes(self) -> tuple[NodeStatus, ...]:
        """The region's nodes as they are now, those on their way out included; empty where it is not up."""
        return self.status().nodes

    def drain(
        self, node: str, *, cut_after: float | None = None, force: bool = False, report: Reporter = silent
    ) -> NodeResult:
        """Have a node take no new requests until ``undrain``, and wait for those it has.

        ``cut_after``: how many seconds connections may take to end; None for what the services' settings say. Raises
        Refused when no other node is ready to take its requests, unless ``force``.
        """
        from du_infra.control.node.drain import drain

        return drain(self._context(), node, report, cut_after=cut_after, force=force)

    def undrain(self, node: str, *, report: Reporter = silent) -> NodeResult:
        """Have a node take requests again."""
        from du_infra.control.node.drain import undrain

        return undrain(self._context(), node, report)

    def remove(
        self, node: str, *, cut_after: float | None = None, force: bool = False, report: Reporter = silent
    ) -> NodeResult:
        """Drain a node and destroy it; the region has one less from then on. Nobody is asked.

        Raises Refused below fleet.yaml's min and, unless ``force``, when no other node is ready.
        """
        from du_infra.control.node.remove import remove

        return remove(self._context(), node, report, cut_after=cut_after, force=force)

    def plan_remove(self, node: str, *, force: bool = False) -> RegionPlan:
        """What ``remove`` would do now."""
        from du_infra.control.node.remove import plan_remove

        return plan_remove(self._context(), node, force=force)

    def leave(self, node: str, *, hook: bool = False, report: Reporter = silent) -> NodeResult:
        """Have a node leave for somebody who destroys its machine then; nothing is done when it has left.

        ``hook``: in turn with other hooks of Terraform, and logged. A node that may not leave, or failed to, serves on,
        and a subclass of DuError is raised.
        """
        from du_infra.control.node.leave import leave, leave_by_hook

        return (leave_by_hook if hook else leave)(self._context(), node, report)

    def replace(self, node: str, *, report: Reporter = silent) -> UpResult:
        """Have another node made, under a new name; when it serves, drain and destroy this one. Nobody is asked."""
        from du_infra.control.node.replace import replace_node

        return replace_node(self._context(), node, report)

    def plan_replace(self, node: str) -> RegionPlan:
        """What ``replace`` would do now."""
        from du_infra.control.node.replace import plan_replace

        return plan_replace(self._context(), node)

    def reboot(
        self, node: str, *, cut_after: float | None = None, force: bool = False, report: Reporter = silent
    ) -> NodeResult:
        """Drain a node, reboot it, and have it take requests again once it serves.

        Raises Refused when another node is not ready, unless ``force``; a region's only node is rebooted as it is.
        """
        from du_infra.control.node.reboot import reboot

        return reboot(self._context(), node, report, cut_after=cut_after, force=force)

    def upgrade(
        self, node: str, *, cut_after: float | None = None, force: bool = False, report: Reporter = silent
    ) -> NodeResult:
        """Drain a node, bring its packages up to date, reboot it if one asks for it, and have it take requests again.

        Raises what ``reboot`` does, and EngineFailed when the packages' own tool fails; the node serves on then.
        """
        from du_infra.control.node.upgrade import upgrade

        return upgrade(self._context(), node, report, cut_after=cut_after, force=force)

    def reboot_all(
        self, *, cut_after: float | None = None, force: bool = False, report: Reporter = silent
    ) -> RoundResult:
        """``reboot`` every node, one at a time, the holder of the region's address last; nobody is asked.

        It stops at the first failure. Again, after that or a kill, it goes on with the nodes that are left. Raises
        Refused when another node than the one whose turn it is takes no requests, unless ``force``.
        """
        from du_infra.control.rounds import run_round

        return run_round(self._context(), "reboot", report, cut_after=cut_after, force=force)

    def upgrade_all(
        self, *, cut_after: float | None = None, force: bool = False, report: Reporter = silent
    ) -> RoundResult:
        """``upgrade`` every node, as ``reboot_all`` reboots them."""
        from du_infra.control.rounds import run_round

        return run_round(self._context(), "upgrade", report, cut_after=cut_after, force=force)

    def plan_round(self, kind: RoundKind, *, force: bool = False) -> RegionPlan:
        """What ``reboot_all`` or ``upgrade_all`` would do now, in order: ``kind`` says which."""
        from du_infra.control.rounds import plan_round

        return plan_round(self._context(), kind, force=force)

    def release(
        self,
        service: str,
        tag: str,
        *,
        observe: float | None = None,
        canary: Sequence[int] | None = None,
        batch: int | None = None,
        hold: bool = False,
        report: Reporter = silent,
    ) -> ReleaseResult:
        """Have another version of ``service`` go live, watched, without losing a request; nobody is asked.

        ``observe`` (seconds), ``canary`` (percent of the requests, growing) and ``batch`` (nodes) override the
        service's settings; ``hold`` stops with the new version on the preview port: ``promote`` or
        ``abort_release`` it then.

        The release went live, or is held, when this returns. When it failed everything went back; then, and when it
        could not begin, a subclass of DuError is raised: its ``what`` is the reason, ``done`` what was done about it.
        """
        plan = self.plan_release(service, tag, observe=observe, canary=canary, batch=batch, hold=hold, report=report)
        return self.carry_out(plan, report=report)

    def plan_release(
        self,
        service: str,
        tag: str,
        *,
        observe: float | None = None,
        canary: Sequence[int] | None = None,
        batch: int | None = None,
        hold: bool = False,
        report: Reporter = silent,
    ) -> ReleasePlan:
        """What ``release`` would do, for ``carry_out`` to do it later; changes nothing."""
        from du_infra.control.release.begin import Wish, plan_release
        from du_infra.control.traffic.bring import leave_to_waves

        leave_to_waves(self._context(), service)
        return plan_release(self._context(), service, tag, Wish(observe, canary, batch, hold), report)

    def rollback(self, service: str, *, to: str = "", report: Reporter = silent) -> ReleaseResult:
        """Go back to release ``to`` (an id, or a tag), or to what served before: image, environment and settings.

        Nothing is observed on the way. Raises what ``release`` does.
        """
        return self.carry_out(self.plan_rollback(service, to=to), report=report)

    def plan_rollback(self, service: str, *, to: str = "") -> ReleasePlan:
        """What ``rollback`` would do, for ``carry_out`` to do it later; changes nothing."""
        from du_infra.control.release.begin import plan_rollback
        from du_infra.control.traffic.bring import leave_to_waves

        leave_to_waves(self._context(), service)
        return plan_rollback(self._context(), service, to)

    def carry_out(self, plan: ReleasePlan, *, report: Reporter = silent) -> ReleaseResult:
        """Do what was planned. Raises Refused when the region is not as it was, and what ``release`` does."""
        from du_infra.control.release.begin import carry_out
        from du_infra.control.release.result import result_of

        return result_of(self._context(), carry_out(self._context(), plan, report), plan.service)

    def promote(self, service: str = "", *, report: Reporter = silent) -> ReleaseResult:
        """Have a held release go live. Without ``service``: the only one that is open in the region."""
        from du_infra.control.release.decide import promote
        from du_infra.control.release.result import result_of

        return result_of(self._context(), promote(self._context(), service, report))

    def abort_release(self, service: str = "", *, report: Reporter = silent) -> ReleaseResult:
        """Have an open release go back everywhere, whether it is at work, cut off or held."""
        from du_infra.control.release.decide import abort
        from du_infra.control.release.result import result_of

        return result_of(self._context(), abort(self._context(), service, report))

    def resume_release(self, service: str = "", *, report: Reporter = silent) -> ReleaseResult:
        """Have a release that was cut off go on from what the nodes show, forward or back."""
        from du_infra.control.release.decide import resume
        from du_infra.control.release.result import result_of

        return result_of(self._context(), resume(self._context(), service, report))

    def release_status(self, service: str = "") -> list[Standing]:
        """How each service's release stands, or one service's: who is at work, what every node shows."""
        from du_infra.control.release.past import standings

        return standings(self._context(), service)

    def release_at_work(self, service: str) -> Holder | None:
        """Who is at work on a release of ``service`` just now; None when nobody is."""
        from du_infra.control.release.past import at_work

        return at_work(self._context(), service)

    def releases(self, service: str = "", *, limit: int = 50) -> list[Rollout]:
        """What was released, by whom, when, and how and why it ended; the newest first."""
        from du_infra.control.release.past import history

        return history(self._context(), service, limit=limit)

    def _context(self) -> RegionContext:
        from du_infra.control.context import RegionContext

        return RegionContext(self.fleet.spec, self.name, self.fleet.folder, file=self.fleet.file)


@dataclass(frozen=True)
class Fleet:
    """A fleet file that was read and found right; ``folder`` is where it stands as ``file``, its state beside it."""

    spec: FleetSpec
    folder: Path
    file: str = "fleet.yaml"

    @property
    def regions(self) -> tuple[str, ...]:
        """The names of the fleet's regions, in the file's order."""
        return tuple(self.spec.regions)

    def region(self, name: str) -> Region:
        """One region of the fleet. Raises SpecError for a name that fleet.yaml does not have."""
        region_of(self.spec, name)
        return Region(self, name)

    def plan_move(self, region: str, provider: str, new: str = "") -> MovePlan:
        """What ``move`` would do now. Raises SpecError and Refused for what cannot be moved."""
        from du_infra.control.move import MoveOrder, plan_region_move

        return plan_region_move(self.folder / self.file, MoveOrder(region, provider, new))

    def move(self, region: str, provider: str, new: str = "", *, report: Reporter = silent) -> MoveResult:
        """Have a region be at another provider: region ``new`` beside it, requests led there, the old one destroyed.

        fleet.yaml is changed on the way: this object, which was read before, is of no more use then. Nobody is asked.
        The same again goes on after a kill. Raises what ``plan_move`` does, NotReady when the new region falls on the
        way, and what ``up`` and ``down`` do.
        """
        from du_infra.control.move import MoveOrder, region_move

        return region_move(self.folder / self.file, MoveOrder(region, provider, new), report)

    @property
    def traffic(self) -> Traffic:
        """The one name for all regions; its methods raise SpecError where fleet.yaml has no ``traffic:``."""
        from du_infra.entrance import Traffic

        return Traffic(self)

    def region_of_node(self, node: str) -> Region:
        """The region that a node's name belongs to. Raises SpecError for a name that no region gives out."""
        from du_infra.errors import SpecError
        from du_infra.pool.names import region_of_node

        name = region_of_node(self.spec.fleet, self.regions, node)
        if not name:
            todo = f"nodes are called {self.spec.fleet}-<region>-<number>; `du-infra node list` shows them"
            raise SpecError("no region of the fleet has such a node", where=node, todo=todo)
        return self.region(name)

    def render(
        self, kind: str, folder: Path, *, regions: Sequence[str] = (), services: Sequence[str] = ()
    ) -> WritePlan:
        """Write the services' Kubernetes objects as files for Git; ``kind``: "kustomize" or "helm". What was done.

        Raises SpecError and Refused, as :mod:`du_infra.gitops.render` says.
        """
        from du_infra.gitops.render import render

        return render(self.spec, kind, folder, regions=regions, services=services)


def load(path: str | Path = "fleet.yaml") -> Fleet:
    """Read and check a fleet file. Raises SpecError that names every mistake by line and column."""
    file = Path(path)
    return Fleet(load_spec(file), file.resolve().parent, file.resolve().name)
