variable "region" {
  description = "Name of the region, as in fleet.yaml."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$", var.region))
    error_message = "region must be 1 to 20 of a-z, 0-9 and -, starting with a letter and not ending in -."
  }
}

variable "nodes" {
  description = "The machines: node name => size (\"1c1g\": CPUs and GiB of memory), role, and fixed private IPv4 address. A name is never reused."
  type = map(object({
    size    = string
    role    = string
    address = string
  }))

  validation {
    condition     = alltrue([for name in keys(var.nodes) : can(regex("^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", name))])
    error_message = "A node name must be 1 to 63 of a-z, 0-9 and -, starting with a letter and not ending in -."
  }

  validation {
    condition     = alltrue([for node in values(var.nodes) : can(regex("^[1-9][0-9]*c[1-9][0-9]*g$", node.size))])
    error_message = "A node's size must be CPUs and GiB of memory, like \"1c1g\" or \"2c4g\"."
  }

  validation {
    condition     = alltrue([for node in values(var.nodes) : can(cidrhost("${node.address}/32", 0))])
    error_message = "A node's address must be an IPv4 address."
  }

  validation {
    condition     = length(distinct([for node in values(var.nodes) : node.address])) == length(var.nodes)
    error_message = "Two nodes have the same address."
  }
}

variable "owner" {
  description = "Random id of the state store that made the machines; written on each as a label, so that they can be found again."
  type        = string

  validation {
    condition     = length(var.owner) > 0
    error_message = "owner must not be empty."
  }
}

variable "image" {
  description = "Alias or fingerprint of the node image. A machine keeps the image it was made from."
  type        = string

  validation {
    condition     = length(var.image) > 0
    error_message = "image must not be empty."
  }
}

variable "network" {
  description = "Name of the LXD bridge that the machines stand on."
  type        = string
}

variable "storage_pool" {
  description = "Name of the LXD storage pool that holds the machines' root disks."
  type        = string
}

variable "profile" {
  description = "LXD profile of the machines. The provider cannot make a machine without one; an empty profile keeps a user's own default profile out."
  type        = string
  default     = "default"
}

variable "ssh_public_key" {
  description = "Public key that may log in as root."
  type        = string

  validation {
    condition     = can(regex("^(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [^\\n]*)?$", var.ssh_public_key))
    error_message = "ssh_public_key must be one line in OpenSSH's format, like \"ssh-ed25519 AAAA… comment\"."
  }
}

variable "user_data" {
  description = "cloud-init user data, read at first boot only. It wins over what the module sets itself (the SSH key). Empty: none."
  type        = string
  default     = ""
}

variable "network_cidr" {
  description = "Network that every node address and the VIP must be in."
  type        = string

  validation {
    condition     = can(cidrhost(var.network_cidr, 0))
    error_message = "network_cidr must be an IPv4 network like \"198.18.0.0/16\"."
  }
}

variable "admin_cidrs" {
  description = "Networks that may reach SSH. Part of every region pool's contract; on LXD the nodes' own firewall enforces it, so it is not used here."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.admin_cidrs : can(cidrhost(cidr, 0))])
    error_message = "admin_cidrs must be networks like \"192.0.2.0/24\"."
  }
}

variable "vip" {
  description = "IPv4 address of the region's entrance. On LXD keepalived on the nodes answers for it."
  type        = string

  validation {
    condition     = can(cidrhost("${var.vip}/32", 0))
    error_message = "vip must be an IPv4 address."
  }
}

variable "labels" {
  description = "More labels for every machine; key \"x\" becomes the LXD config key user.du-infra.x. du-infra sets \"fleet\"."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.labels) : can(regex("^[a-z][a-z0-9_-]*$", key))])
    error_message = "A label's key must be of a-z, 0-9, - and _, starting with a letter."
  }
}
