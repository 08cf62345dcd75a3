locals {
  # An address is in the network when, taken with the network's prefix length, it has the same first address.
  prefix   = split("/", var.network_cidr)[1]
  first    = cidrhost(var.network_cidr, 0)
  vip_fits = cidrhost("${var.vip}/${local.prefix}", 0) == local.first

  # JSON is YAML. Vendor data and not user data: cloud-init lets a user's own data win over it.
  first_boot = jsonencode({
    disable_root        = false
    locale              = false
    ssh_authorized_keys = [var.ssh_public_key]
  })

  labels = merge(
    { for key, value in var.labels : "user.du-infra.${key}" => value },
    {
      "user.du-infra.owner"  = var.owner
      "user.du-infra.region" = var.region
      "user.du-infra.vip"    = var.vip
    },
  )
}

resource "lxd_container" "node" {
  for_each = var.nodes

  name     = each.key
  image    = var.image
  profiles = [var.profile]

  # The address is fixed below, so there is nothing to wait for: the caller waits for SSH anyway.
  wait_for_network = false

  limits = {
    cpu    = regex("^([0-9]+)c", each.value.size)[0]
    memory = "${regex("c([0-9]+)g$", each.value.size)[0]}GiB"
  }

  # Keys under user., security. and boot. only: provider 1.5.0 reads back no others (not cloud-init.*), and
  # would plan to replace the machine for the difference.
  config = merge(
    local.labels,
    {
      "boot.autostart"        = "true"
      "security.nesting"      = "true"
      "security.privileged"   = "true"
      "user.du-infra.role"    = each.value.role
      "user.vendor-data"      = "#cloud-config\n${local.first_boot}\n"
      "user.access_interface" = "eth0"
    },
    var.user_data == "" ? {} : { "user.user-data" = var.user_data },
  )

  device {
    name = "root"
    type = "disk"
    properties = {
      path = "/"
      pool = var.storage_pool
    }
  }

  device {
    name = "eth0"
    type = "nic"
    properties = {
      name           = "eth0"
      network        = var.network
      "ipv4.address" = each.value.address
    }
  }

  lifecycle {
    # Provider 1.5.0 replaces a machine for any change of these. An image or first-boot data that changed is no
    # reason to lose a running node: new nodes get the new ones.
    ignore_changes = [config, image]

    precondition {
      condition     = cidrhost("${each.value.address}/${local.prefix}", 0) == local.first
      error_message = "Node ${each.key} has the address ${each.value.address}, which is not in network_cidr ${var.network_cidr}."
    }

    precondition {
      condition     = local.vip_fits
      error_message = "The VIP ${var.vip} is not in network_cidr ${var.network_cidr}."
    }

    precondition {
      condition     = each.value.address != var.vip
      error_message = "Node ${each.key} has the address of the VIP, ${var.vip}."
    }
  }
}
