"""The administrator's kubeconfig of a region's cluster, as somebody outside of its nodes can use it."""

from __future__ import annotations

from io import StringIO

from du_infra.control.cluster.act import API_PORT
from du_infra.control.cluster.nodes import Nodes
from du_infra.control.cluster.servers import need_cluster, servers_of
from du_infra.control.context import RegionContext
from du_infra.errors import DuError, EngineFailed, Refused
from du_infra.parallel import each
from du_infra.pool.state import Node
from du_infra.progress import silent

PATH = "/etc/rancher/k3s/k3s.yaml"


def kubeconfig(context: RegionContext) -> str:
    """YAML with full rights on the cluster: whoever gets it keeps it as a password.

    It names the own address of a server whose API answers, if there is one: the region's may be held by a node that is
    none. Raises Refused for a region that is not up or has no cluster, Unreachable when no server answers.
    """
    need_cluster(context, "there is no cluster")
    record = context.must_be_up()
    servers = [node for node in record.nodes if node.name in servers_of(context)]
    if not servers:
        raise Refused("its cluster has not come up yet", where=f"region {context.name}", todo="run `region up`")
    return _first(context, servers)


def _first(context: RegionContext, servers: list[Node]) -> str:
    nodes, failed = Nodes(context, silent), None
    answers = [bool(said and said.get("cluster")) for said in each(nodes.state, servers)]
    for _, server in sorted(zip(answers, servers, strict=True), key=lambda pair: not pair[0]):
        try:
            text = nodes.read(server, PATH)
        except DuError as error:
            failed = error
            continue
        return renamed(text, f"{context.fleet.fleet}-{context.name}", f"https://{server.address}:{API_PORT}", server)
    assert failed is not None
    raise failed


def renamed(text: str, name: str, server: str, where: Node) -> str:
    """The file that K3s writes, with another address of the server, and ``name`` in place of "default"."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 1_000_000  # the certificates are one long word each
    try:
        found = yaml.load(text)
        for kind, part in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
            for item in found[kind]:
                item["name"] = name
                if part == "cluster":
                    item[part]["server"] = server
        for item in found["contexts"]:
            item["context"] |= {"cluster": name, "user": name}
        found["current-context"] = name
    except (YAMLError, KeyError, TypeError) as error:
        raise EngineFailed(
            f"{PATH} is no kubeconfig", where=where.name, todo="see the journal of k3s.service"
        ) from error
    out = StringIO()
    yaml.dump(found, out)
    return out.getvalue()
