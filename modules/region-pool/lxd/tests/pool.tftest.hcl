mock_provider "lxd" {}

variables {
  region         = "home"
  owner          = "3f2a"
  image          = "du-node"
  network        = "dubr0"
  storage_pool   = "du-infra"
  network_cidr   = "198.18.0.0/16"
  vip            = "198.18.1.5"
  ssh_public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFk8G0R776RUs7evh7UpFV2D6HfYFm0AceKDraE73CGj me@there"
  labels         = { fleet = "demo" }
  nodes = {
    demo-home-1 = { size = "1c1g", role = "worker", address = "198.18.1.11" }
    demo-home-2 = { size = "2c4g", role = "server", address = "198.18.1.12" }
  }
}

run "makes_one_machine_for_each_name" {
  assert {
    condition     = toset(keys(lxd_container.node)) == toset(["demo-home-1", "demo-home-2"])
    error_message = "one machine for each name"
  }
  assert {
    condition     = lxd_container.node["demo-home-2"].limits["cpu"] == "2" && lxd_container.node["demo-home-2"].limits["memory"] == "4GiB"
    error_message = "2c4g is two CPUs and 4 GiB"
  }
  assert {
    condition     = output.nodes["demo-home-1"].private_ipv4 == "198.18.1.11" && output.vip == "198.18.1.5"
    error_message = "outputs carry the addresses that were asked for"
  }
}

run "labels_every_machine_with_its_owner" {
  command = plan

  assert {
    condition = alltrue([
      for machine in lxd_container.node :
      machine.config["user.du-infra.owner"] == "3f2a" && machine.config["user.du-infra.fleet"] == "demo" &&
      machine.config["user.du-infra.region"] == "home" && machine.config["user.du-infra.vip"] == "198.18.1.5"
    ])
    error_message = "owner, fleet, region and VIP stand on the machine"
  }
}

run "lets_the_key_in_by_valid_yaml" {
  command = plan

  assert {
    condition     = yamldecode(lxd_container.node["demo-home-1"].config["user.vendor-data"]).ssh_authorized_keys[0] == var.ssh_public_key
    error_message = "the key stands in the vendor data"
  }
  assert {
    condition     = startswith(lxd_container.node["demo-home-1"].config["user.vendor-data"], "#cloud-config\n")
    error_message = "cloud-init knows the format by its first line"
  }
}

run "refuses_a_size_it_cannot_read" {
  command = plan
  variables {
    nodes = { demo-home-1 = { size = "small", role = "worker", address = "198.18.1.11" } }
  }
  expect_failures = [var.nodes]
}

run "refuses_two_nodes_on_one_address" {
  command = plan
  variables {
    nodes = {
      demo-home-1 = { size = "1c1g", role = "worker", address = "198.18.1.11" }
      demo-home-2 = { size = "1c1g", role = "worker", address = "198.18.1.11" }
    }
  }
  expect_failures = [var.nodes]
}

run "refuses_a_name_that_is_no_host_name" {
  command = plan
  variables {
    nodes = { "Demo_1" = { size = "1c1g", role = "worker", address = "198.18.1.11" } }
  }
  expect_failures = [var.nodes]
}

run "refuses_an_address_outside_the_network" {
  command = plan
  variables {
    nodes = { demo-home-1 = { size = "1c1g", role = "worker", address = "198.20.1.11" } }
  }
  expect_failures = [lxd_container.node["demo-home-1"]]
}

run "refuses_a_node_on_the_vip" {
  command = plan
  variables {
    nodes = { demo-home-1 = { size = "1c1g", role = "worker", address = "198.18.1.5" } }
  }
  expect_failures = [lxd_container.node["demo-home-1"]]
}

run "refuses_a_private_key_or_nonsense_as_key" {
  command = plan
  variables {
    ssh_public_key = "-----BEGIN OPENSSH PRIVATE KEY-----"
  }
  expect_failures = [var.ssh_public_key]
}

run "refuses_an_empty_owner" {
  command = plan
  variables {
    owner = ""
  }
  expect_failures = [var.owner]
}
