terraform {
  required_providers {
    lxd = {
      source  = "terraform-lxd/lxd"
      version = "1.5.0"
    }
  }
}

provider "lxd" {
  # How often the provider looks whether a machine is up; its default of 10 s is most of the time a node takes.
  refresh_interval = "1s"
}

variable "ssh_public_key" {
  description = "Your public key."
  type        = string
}

module "pool" {
  source = "../.."

  region         = "home"
  owner          = "example"
  image          = "du-node"
  network        = "dubr0"
  storage_pool   = "du-infra"
  network_cidr   = "198.18.0.0/16"
  vip            = "198.18.1.5"
  ssh_public_key = var.ssh_public_key
  labels         = { fleet = "demo" }

  nodes = {
    demo-home-1 = { size = "1c1g", role = "worker", address = "198.18.1.11" }
    demo-home-2 = { size = "1c1g", role = "worker", address = "198.18.1.12" }
  }
}

output "nodes" {
  description = "The two machines."
  value       = module.pool.nodes
}
