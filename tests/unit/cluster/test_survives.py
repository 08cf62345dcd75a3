"""What a region survives, in words that are true."""

from __future__ import annotations

from dataclasses import replace

from du_infra.cluster.state import Observed
from du_infra.cluster.survives import survives
from tests.unit.cluster.clusters import agent, dead, one_server, server, three_servers, voter


def test_one_server_alone_is_an_outage_when_its_machine_is_lost() -> None:
    assert "the loss of the machine is an outage" in survives(one_server())


def test_a_server_and_an_agent_bear_the_loss_of_the_agent_and_not_of_the_api() -> None:
    words = survives(one_server(agent("a-2")))
    assert "when the agent is lost its pods start elsewhere" in words
    assert "when the server is lost pods on other nodes go on serving" in words


def test_three_servers_bear_one_loss() -> None:
    assert survives(three_servers()) == "three servers: any one of them may be lost, the API stays"


def test_three_servers_of_which_one_is_lost_bear_none() -> None:
    lost = replace(three_servers(), members=(voter("a-1"), voter("a-2"), dead(voter("a-3"))))
    assert "1 of them not well: the loss of one more takes the API away" in survives(lost)


def test_two_servers_on_embedded_etcd_are_called_worse_than_one() -> None:
    assert "two are worse than one" in survives(Observed((voter("a-1"), voter("a-2")), datastore="etcd"))


def test_two_servers_and_a_witness_bear_the_loss_of_either() -> None:
    witnessed = Observed((voter("a-1"), voter("a-2"), voter("w-1", role="witness")), datastore="etcd")
    assert survives(witnessed) == "two servers and a witness: any one of them may be lost, the API stays"


def test_servers_on_an_external_datastore_depend_on_it() -> None:
    members = (server("a-1", datastore="external"), server("a-2", datastore="external"))
    assert survives(Observed(members, datastore="external")).endswith("as long as the external datastore answers")
    assert "no backup is needed" in survives(Observed(members[:1], datastore="external"))


def test_no_api_is_said_and_no_cluster_is_not() -> None:
    assert survives(one_server(api=False)).startswith("the API does not answer")
    assert survives(Observed(born=False)) == ""
